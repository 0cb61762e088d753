package server_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"gatehouse/engine"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/namespaces/echo"
	"gatehouse/server"
)

// attacker is a client that does not keep to the protocol.
type attacker struct {
	t  *testing.T
	r  *running
	c  client
	in bool // is admitted to /echo
}

// texts sends packets at once, in one write or in one POST. It does not check
// the answer: the test does.
func (a *attacker) texts(packets ...string) {
	a.t.Helper()
	if a.c.ws == nil {
		a.c.do(http.MethodPost, strings.Join(packets, "\x1e"), nil)
		return
	}
	var frames []byte
	for _, p := range packets {
		frames = append(frames, wiretest.Frame(ws.OpText, true, []byte(p))...)
	}
	a.raw(frames)
}

// binary sends a binary message.
func (a *attacker) binary(data []byte) {
	if a.c.ws == nil {
		a.c.do(http.MethodPost, "b"+base64.StdEncoding.EncodeToString(data), nil)
		return
	}
	a.raw(wiretest.Frame(ws.OpBinary, true, data))
}

// raw writes bytes to the WebSocket; the connection may have ended already.
func (a *attacker) raw(b []byte) { _ = a.c.ws.Write(b) }

// ends expects the connection to end, whatever answers come before that.
func (a *attacker) ends() string {
	a.t.Helper()
	for range 40 {
		got := a.c.next()
		switch {
		case got == "1", strings.HasPrefix(got, "400 "), got == "" || got[0] < '0' || got[0] > '6':
			return got
		case got == "2":
			a.texts("3")
		}
	}
	a.t.Fatal("the connection does not end")
	return ""
}

// goesOn expects the session to work as if nothing had happened.
func (a *attacker) goesOn() {
	a.t.Helper()
	if !a.in {
		a.enters()
		return
	}
	a.c.send(`42/echo,77["echo","still"]`)
	got := answerTo(a.c, "43/echo,77")
	for strings.HasPrefix(got, "40/echo,") { // of a CONNECT before
		got = answerTo(a.c, "43/echo,77")
	}
	if got != `43/echo,77["still"]` {
		a.t.Errorf("an event afterwards: %q", got)
	}
}

func (a *attacker) enters() {
	a.t.Helper()
	if got := sendConnect(a.c, "/echo", `{"token":"`+token(a.t, "eve")+`"}`); got != "in" {
		a.t.Fatalf("CONNECT: %q", got)
	}
	a.in = true
}

// serves checks that honest clients come in and are answered.
func (r *running) serves(t *testing.T) {
	t.Helper()
	for _, transport := range wiretest.Transports {
		c := come(t, r.addr, way{transport: transport})
		if got := sendConnect(c, "/echo", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Fatalf("an honest client over %s: %q", transport, got)
		}
		c.send(`42/echo,1["echo","hi"]`)
		if got := answerTo(c, "43/echo,1"); got != `43/echo,1["hi"]` {
			t.Errorf("an honest client over %s is answered %q", transport, got)
		}
		c.close()
	}
}

// hostileServer has few places, so that anything an attack leaves behind shows.
func hostileServer(t *testing.T) *running {
	return serve(t, server.Config{
		Engine:      server.Engine{Limits: engine.Limits{MaxPayload: 200_000, OutboxBytes: 400_000}},
		Handshake:   server.Handshake{ConnectLimits: namespaces.ConnectLimits{MaxPending: 8}},
		Connections: server.ConnectionLimits{MaxPendingPerAddress: 8, MaxConnections: 8, MaxSilent: 8},
	}, echo.New())
}

const (
	ending = iota // the connection ends
	going         // nothing happens
)

// hostilePackets are hostile text and binary messages. The outcome is the
// same over every transport, for strangers and for users, unless a case says
// so.
var hostilePackets = []struct {
	name     string
	do       func(a *attacker)
	stranger int
	admitted int
}{
	{name: "42", do: send("42")},
	{name: "43", do: send("43")},
	{name: "450-", do: send("450-")},
	{name: "451- and a binary frame", do: func(a *attacker) { a.texts("451-"); a.binary([]byte{1}) }},
	{name: "a binary event before CONNECT", do: func(a *attacker) {
		a.texts(`451-/echo,["echo",{"_placeholder":true,"num":0}]`)
		a.binary([]byte{1})
	}, admitted: going},
	{name: "4", do: send("4")},
	{name: "an empty packet", do: send("")},
	{name: "an empty binary message", do: func(a *attacker) { a.binary(nil) }},
	{name: "an early PONG", do: send("3", "3"), stranger: going, admitted: going},
	{name: "a PING", do: send("2")},
	{name: "two CONNECTs at once", do: func(a *attacker) {
		connect := `40/echo,{"token":"` + token(a.t, "eve") + `"}`
		a.texts(connect, connect)
	}, stranger: going, admitted: going},
	{name: "CONNECT once more after an event", do: func(a *attacker) {
		connect := `40/echo,{"token":"` + token(a.t, "eve") + `"}`
		a.texts(connect, `42/echo,["echo",1]`, connect)
	}},
	{name: "an event to a namespace never joined", do: send(`42/nowhere,["echo",1]`)},
	{name: "an event before CONNECT", do: send(`42/echo,["echo",1]`), admitted: going},
	{name: "an acknowledgement to a namespace never joined", do: send(`43/nowhere,1[1]`)},
	{name: "an acknowledgement that nobody waits for", do: send(`43/echo,12345[1]`), admitted: going},
	{name: "DISCONNECT of a namespace never joined", do: send(`41/nowhere,`)},
	{name: "an acknowledgement id beyond 2^53", do: send(`42/echo,9007199254740993["echo",1]`)},
	{name: "an acknowledgement id beyond 2^64", do: send(`43/echo,99999999999999999999999["echo",1]`)},
	{name: "a negative attachment count", do: send(`45-1-["echo"]`)},
	{name: "an attachment count without end", do: send("45" + strings.Repeat("9", 1000))},
	{name: "more attachments than allowed", do: send(`4511-/echo,["echo"]`)},
	{name: "attachments never sent", do: func(a *attacker) {
		a.texts(`451-/echo,["echo",{"_placeholder":true,"num":0}]`)
		a.r.serves(a.t)
		a.texts(`42/echo,["echo",1]`)
	}},
	{name: "a placeholder for no attachment", do: send(`42/echo,["echo",{"_placeholder":true,"num":7}]`)},
	{name: "30,000 nested arrays", do: send(`42/echo,["echo",` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_001))},
	{name: "30,000 nested objects in CONNECT", do: send(`40/echo,` + strings.Repeat(`{"a":`, 12_000) + "1" + strings.Repeat("}", 12_000))},
	{name: "invalid UTF-8", do: send("42/echo,[\"echo\",\"\xff\xfe\"]")},
	{name: "bytes behind the JSON", do: send(`42/echo,["echo",1]]`)},
	{name: "a reserved event name", do: send(`42/echo,["disconnecting",1]`)},
	{name: "an unknown packet type", do: send("49")},
	{name: "an unknown engine packet", do: send("9")},
}

func send(packets ...string) func(*attacker) {
	return func(a *attacker) { a.texts(packets...) }
}

func TestHostilePacketsEndTheirConnectionOnly(t *testing.T) {
	r := hostileServer(t)
	for _, attack := range hostilePackets {
		t.Run(attack.name, func(t *testing.T) {
			over(t, func(t *testing.T, transport string) {
				for in, outcome := range []int{attack.stranger, attack.admitted} {
					a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: transport})}
					if in == 1 {
						a.enters()
					}
					attack.do(a)
					if outcome == ending {
						a.ends()
					} else {
						a.goesOn()
					}
					a.c.close()
				}
			})
			r.serves(t)
		})
	}
}

// A message that is too large ends differently by transport: a WebSocket
// closes, but a POST is refused, as in Node.
func TestMessagesThatAreTooLargeAreNotRead(t *testing.T) {
	r := hostileServer(t)
	nested := `42/echo,["echo",` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_001)
	over(t, func(t *testing.T, transport string) {
		a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: transport})}
		if a.c.ws == nil {
			if status, _ := a.c.do(http.MethodPost, nested, nil); status != http.StatusRequestEntityTooLarge {
				t.Errorf("the POST is answered %d", status)
			}
			a.ends()
		} else {
			a.texts(nested)
			if got := a.ends(); !strings.HasPrefix(got, "closed 1009") {
				t.Errorf("ended with %q", got)
			}
		}
		a.c.close()
		r.serves(t)
	})
}

// hostileFrames are hostile WebSocket frames, with the close code that
// answers each; no code means that the session goes on.
var hostileFrames = []struct {
	name string
	do   func(a *attacker)
	code string
}{
	{"an unmasked frame", func(a *attacker) { a.raw([]byte{0x81, 2, '4', '2'}) }, "1002"},
	{"a PING of 126 bytes", func(a *attacker) { a.raw(wiretest.Frame(ws.OpPing, true, make([]byte, 126))) }, "1002"},
	{"a PING in fragments", func(a *attacker) { a.raw(wiretest.Frame(ws.OpPing, false, []byte("x"))) }, "1002"},
	{"a close frame of one byte", func(a *attacker) { a.raw(wiretest.Frame(ws.OpClose, true, []byte{3})) }, "1002"},
	{"a close frame of 126 bytes", func(a *attacker) { a.raw(wiretest.Frame(ws.OpClose, true, make([]byte, 126))) }, "1002"},
	{"a reserved opcode", func(a *attacker) { a.raw(wiretest.Frame(5, true, nil)) }, "1002"},
	{"reserved bits", func(a *attacker) { b := wiretest.Frame(ws.OpText, true, []byte("3")); b[0] |= 0x40; a.raw(b) }, "1002"},
	{"a continuation of nothing", func(a *attacker) { a.raw(wiretest.Frame(ws.OpContinuation, true, []byte("x"))) }, "1002"},
	{"a length of 2^63", func(a *attacker) { a.raw([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}) }, "1002"},
	{"the declaration of a terabyte", func(a *attacker) { a.raw([]byte{0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}) }, "1009"},
	{"invalid UTF-8", func(a *attacker) { a.raw(wiretest.Frame(ws.OpText, true, []byte("42\xff"))) }, "1007"},
	{"an empty frame", func(a *attacker) { a.raw(wiretest.Frame(ws.OpText, true, nil)) }, "1007"},
	{"fragments of one byte", func(a *attacker) { a.fragments(`42/echo,5["echo","f"]`); a.answered(`43/echo,5["f"]`) }, ""},
	{"empty fragments", func(a *attacker) {
		a.raw(wiretest.Frame(ws.OpText, false, nil))
		for range 10_000 {
			a.raw(wiretest.Frame(ws.OpContinuation, false, nil))
		}
		a.raw(wiretest.Frame(ws.OpContinuation, true, []byte("3")))
	}, ""},
	{"fragments of one byte without end", func(a *attacker) {
		flood := bytes.Repeat(wiretest.Frame(ws.OpContinuation, false, []byte("x")), 1000)
		a.raw(wiretest.Frame(ws.OpText, false, []byte("4")))
		for range 201 {
			a.raw(flood)
		}
	}, "1009"},
	{"a flood of PINGs", func(a *attacker) {
		for range 200 {
			a.raw(bytes.Repeat(wiretest.Frame(ws.OpPing, true, nil), 5))
		}
	}, ""},
}

// fragments sends a text message byte by byte.
func (a *attacker) fragments(text string) {
	a.raw(wiretest.Frame(ws.OpText, false, []byte(text[:1])))
	for i := 1; i < len(text)-1; i++ {
		a.raw(wiretest.Frame(ws.OpContinuation, false, []byte(text[i:i+1])))
	}
	a.raw(wiretest.Frame(ws.OpContinuation, true, []byte(text[len(text)-1:])))
}

func (a *attacker) answered(want string) {
	a.t.Helper()
	if got := answerTo(a.c, want); got != want {
		a.t.Errorf("answered %q, want %q", got, want)
	}
}

func TestHostileFramesEndTheirConnectionOnly(t *testing.T) {
	r := hostileServer(t)
	for _, attack := range hostileFrames {
		t.Run(attack.name, func(t *testing.T) {
			for _, transport := range []string{"websocket", "upgrade"} {
				a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: transport})}
				a.enters()
				attack.do(a)
				if attack.code == "" {
					a.passPongs()
				} else if got := a.ends(); !strings.HasPrefix(got, "closed "+attack.code) {
					t.Errorf("%s: ended with %q, want %s", transport, got, attack.code)
				}
				a.c.close()
			}
			r.serves(t)
		})
	}
}

// passPongs skips PONGs, and expects the session to go on.
func (a *attacker) passPongs() {
	a.t.Helper()
	a.c.send(`42/echo,78["echo",1]`)
	for got := ""; got != `43/echo,78[1]`; {
		if got = a.c.next(); got != "" && got != `43/echo,78[1]` {
			a.t.Fatalf("got %q", got)
		}
	}
}
