package echo_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/echo"
	"gatehouse/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is a connection that hands over what is sent.
type wire chan *packet.Frame

func (w wire) Send(f *packet.Frame) error        { w <- f; return nil }
func (w wire) SendVolatile(f *packet.Frame) bool { return w.Send(f) == nil }
func (w wire) Close(int, string)                 {}
func (w wire) Pause()                            {}
func (w wire) Resume()                           {}
func (w wire) Hold(int) bool                     { return true }
func (w wire) Admitted()                         {}
func (w wire) Identified(*namespaces.Socket)     {}
func (w wire) Request() *handshake.Request       { return nil }
func anyone(context.Context, *handshake.Request) (handshake.Identity, error) {
	return handshake.Identity{}, nil
}

func TestEchoAcknowledgesItsArgumentsUnchanged(t *testing.T) {
	hub, err := namespaces.NewHub(namespaces.Config{}, echo.New(namespaces.WithGate(namespaces.GateFunc(anyone))))
	if err != nil {
		t.Fatal(err)
	}
	w := make(wire, 10)
	c := hub.Connect(w)
	c.Message(false, []byte("0/echo,"))
	<-w
	for _, args := range []string{``, `,1`, `,"a",{"b":[1.50,null]},"ü"`} {
		c.Message(false, []byte(`2/echo,1["echo"`+args+`]`))
		want := `3/echo,1[` + args[min(1, len(args)):] + `]`
		if got := string((<-w).Text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c.Message(false, []byte(`51-/echo,2["echo",{"_placeholder":true,"num":0}]`))
	c.Message(true, []byte{0, 255})
	if f := <-w; string(f.Text) != `61-/echo,2[{"_placeholder":true,"num":0}]` || string(f.Attachments[0]) != "\x00\xff" {
		t.Errorf("got %s %x", f.Text, f.Attachments)
	}
	if err := hub.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (wire) ID() string { return "connection" }

func (wire) Transport() string { return "websocket" }

func (wire) Context() context.Context { return nil }
