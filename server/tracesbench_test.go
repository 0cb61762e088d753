package server

import (
	"context"
	"net/http"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/namespacestest"
	"gatehouse/packet"
)

// ear is a connection that returns acknowledgements and drops the rest.
type ear struct {
	answers chan struct{}
	ctx     context.Context
}

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
func (e *ear) Context() context.Context      { return e.ctx }
func (*ear) Request() *handshake.Request     { return nil }

// sayer returns a function that sends one event, whose handler broadcasts to a room of ten, and waits for the
// acknowledgement. The client has brought the traceparent, unless it is "".
func sayer(t testing.TB, traces *traces, parent string, within bool) func() {
	t.Helper()
	say, _ := sayerAnd(t, traces, parent, within)
	return say
}

// handling holds the arguments of a handler.
type handling struct {
	ctx    context.Context
	socket *namespaces.Socket
}

// sayerAnd is sayer; it also returns the arguments of the handler's first call.
func sayerAnd(t testing.TB, traces *traces, parent string, within bool) (say func(), first <-chan handling) {
	t.Helper()
	asked := make(chan handling, 1)
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	namespaces.On(ns, "say", func(ctx context.Context, s *namespaces.Socket, in packet.Args) (bool, error) {
		select {
		case asked <- handling{ctx, s}:
		default:
		}
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
	if begin := traces.context(nil); begin != nil {
		e.ctx = begin(&http.Request{Header: http.Header{"Traceparent": {parent}}})
	}
	var client *namespaces.Client
	for range 10 {
		client = hub.Connect(e)
		client.Message(false, []byte("0"))
		<-e.answers
	}
	event := []byte(`21["say","hello"]`)
	return func() {
		client.Message(false, event)
		<-e.answers
	}, asked
}

const (
	droppedParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	keptParent    = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

func TestTracesThatAreOffAllocateNothing(t *testing.T) {
	ctx, s := handled(t, nil, "")
	to := s.Namespace().In("room").By(s)
	args := packet.Args{}
	with := testing.AllocsPerRun(1000, func() { _ = to.Within(ctx).Emit("said", args) })
	if without := testing.AllocsPerRun(1000, func() { _ = to.Emit("said", args) }); with != without {
		t.Errorf("a broadcast makes %v allocations, %v without the context of traces", with, without)
	}
}

// handled returns a socket whose client has brought a traceparent, and the context of a handler of its events.
func handled(t *testing.T, traces *traces, parent string) (context.Context, *namespaces.Socket) {
	t.Helper()
	say, asked := sayerAnd(t, traces, parent, true)
	say()
	h := <-asked
	return h.ctx, h.socket
}

// Where few spans are kept, the dropped ones decide the cost of tracing.
func TestASpanThatNobodyKeepsCostsLittle(t *testing.T) {
	for name, c := range map[string]struct {
		parent string
		within bool
		most   float64
	}{
		"the client wants nothing kept":                          {droppedParent, true, 0},
		"the same, and the handler does not pass its context on": {droppedParent, false, 0},
		"the sampler drops the trace of the client":              {keptParent, true, 0},
		"the sampler drops the event":                            {"", true, 11},
		"the sampler drops the event, and no context passed on":  {"", false, 11},
	} {
		drops := newTraces(sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample(), sdk.WithRemoteParentSampled(sdk.NeverSample())))))
		ctx, s := handled(t, drops, c.parent)
		n := testing.AllocsPerRun(1000, func() {
			below, done := drops.event(ctx, s, namespaces.Event{Name: "say"})
			if !c.within {
				below = nil
			}
			if _, sent := drops.broadcast(below, s.Namespace(), namespaces.Broadcasting{Event: "said", By: s}); sent != nil {
				t.Error("the broadcast of an event that is dropped has a span")
			}
			if done != nil {
				done(nil)
			}
		})
		if n > c.most {
			t.Errorf("%s: an event and its broadcast make %v allocations, want at most %v", name, n, c.most)
		}
	}
}

// When an admission is dropped with its handshake, everything that is sent in its course is dropped, too, with or
// without a context.
func TestABroadcastOfAnAdmissionThatIsDroppedHasNoSpan(t *testing.T) {
	for name, parent := range map[string]string{"the client brought no trace": "", "it brought one that is dropped": droppedParent} {
		drops := newTraces(sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample()))))
		_, s := handled(t, drops, parent)
		ctx, end := drops.admission(s.Conn().Context(), s)
		for _, below := range []context.Context{ctx, nil} {
			if _, sent := drops.broadcast(below, s.Namespace(), namespaces.Broadcasting{Event: "said", By: s}); sent != nil {
				t.Errorf("%s: a broadcast has a span", name)
			}
		}
		if end != nil {
			end(nil)
		}
		if n := len(drops.doing); n > 1 { // the event in which handled waits
			t.Errorf("%s: %d sockets do something", name, n)
		}
	}
}

// An event that a socket sends without a context is below the socket's span, as long as it has only one.
func TestWhatASocketDoesIsBeyondDoubtWhileItIsOneThing(t *testing.T) {
	ts := newTraces(sdk.NewTracerProvider())
	hub := namespacestest.Mount(t, namespaces.New("/"))
	s := hub.Enter("/", namespacestest.As("ada")).Socket()
	event := func(name string) (context.Context, func(error)) {
		return ts.event(t.Context(), s, namespaces.Event{Name: name})
	}
	only := func(when string, want context.Context) {
		t.Helper()
		if ts.meanwhile(s) != want {
			t.Errorf("%s: it is below another context", when)
		}
	}
	one, endOne := event("one")
	only("one is under way", one)
	_, endTwo := event("two")
	_, endThree := event("three")
	only("three are under way", context.Background())
	endTwo(nil)
	only("two are under way", context.Background())
	endThree(nil)
	only("the first is under way", one)
	four, endFour := event("four")
	endOne(nil)
	only("the last is under way", four)
	endFour(nil)
	only("nothing is under way", context.Background())
	if len(ts.doing) != 0 {
		t.Errorf("%d sockets are noted that do nothing", len(ts.doing))
	}
}

// BenchmarkTracedEvent is an event, its broadcast to ten and its acknowledgement.
func BenchmarkTracedEvent(b *testing.B) {
	for _, c := range []struct {
		name, parent string
		sampler      sdk.Sampler
	}{
		{"off", "", nil},
		{"the client wants nothing kept", droppedParent, sdk.ParentBased(sdk.AlwaysSample())},
		{"none is kept", "", sdk.NeverSample()},
		{"all are kept", "", sdk.AlwaysSample()},
	} {
		b.Run(c.name, func(b *testing.B) {
			var t *traces
			if c.sampler != nil {
				t = newTraces(sdk.NewTracerProvider(sdk.WithSampler(c.sampler)))
			}
			say := sayer(b, t, c.parent, true)
			b.ReportAllocs()
			for b.Loop() {
				say()
			}
		})
	}
}
