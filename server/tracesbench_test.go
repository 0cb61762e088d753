package server

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// ear is a connection that lets acknowledgements through and forgets the rest.
type ear struct{ answers chan struct{} }

func (e *ear) Send(f *packet.Frame) error {
	if f.Text[0] != '2' {
		e.answers <- struct{}{}
	}
	return nil
}
func (*ear) SendVolatile(*packet.Frame) bool { return true }
func (*ear) Close(int, string)               {}
func (*ear) Pause()                          {}
func (*ear) Resume()                         {}
func (*ear) Hold(int) bool                   { return true }
func (*ear) Admitted()                       {}
func (*ear) Identified(*namespaces.Socket)   {}
func (*ear) ID() string                      { return "ear" }
func (*ear) Transport() string               { return "websocket" }
func (*ear) Context() context.Context        { return nil }
func (*ear) Request() *handshake.Request     { return nil }

// sayer returns what sends one event whose handler broadcasts to a room of ten and acknowledges, and waits for that.
func sayer(t testing.TB, traces *traces, within bool) func() {
	t.Helper()
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	namespaces.On(ns, "say", func(ctx context.Context, s *namespaces.Socket, in packet.Args) (bool, error) {
		to := ns.In("room").By(s)
		if within {
			to = to.Within(ctx)
		}
		return true, to.Emit("said", in)
	})
	s := &Server{traces: traces}
	hub, err := namespaces.NewHub(namespaces.Config{
		Gate: namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
			return handshake.Identity{Subject: "u"}, nil
		}),
		Hooks: s.hooks(),
	}, ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	e := &ear{answers: make(chan struct{}, 1)}
	var first *namespaces.Client
	for range 10 {
		first = hub.Connect(e)
		first.Message(false, []byte("0"))
		<-e.answers
	}
	event := []byte(`21["say","hello"]`)
	return func() {
		first.Message(false, event)
		<-e.answers
	}
}

func TestTracesThatAreOffAllocateNothing(t *testing.T) {
	count := func(within bool) float64 { return testing.AllocsPerRun(1000, sayer(t, nil, within)) }
	if off, without := count(true), count(false); off != without {
		t.Errorf("an event and its broadcast make %v allocations, %v without the context of traces", off, without)
	}
}

// BenchmarkTracedEvent is an event, its broadcast to ten and its acknowledgement.
func BenchmarkTracedEvent(b *testing.B) {
	for name, sampler := range map[string]sdk.Sampler{"off": nil, "none is kept": sdk.NeverSample(), "all are kept": sdk.AlwaysSample()} {
		b.Run(name, func(b *testing.B) {
			var t *traces
			if sampler != nil {
				t = newTraces(sdk.NewTracerProvider(sdk.WithSampler(sampler)))
			}
			say := sayer(b, t, true)
			b.ReportAllocs()
			for b.Loop() {
				say()
			}
		})
	}
}
