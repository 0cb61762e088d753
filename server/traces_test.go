package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// traced starts a server whose spans are kept.
func traced(t *testing.T, cfg server.Config, defs ...namespaces.Definition) (*running, *tracetest.SpanRecorder) {
	t.Helper()
	kept := tracetest.NewSpanRecorder()
	cfg.Traces = sdk.NewTracerProvider(sdk.WithSpanProcessor(kept))
	return serve(t, cfg, defs...), kept
}

// ways returns the spans as paths, with their codes, and checks that no span is left open.
func ways(t *testing.T, kept *tracetest.SpanRecorder) []string {
	t.Helper()
	if begun, ended := len(kept.Started()), len(kept.Ended()); begun != ended {
		t.Errorf("%d of %d spans have ended", ended, begun)
	}
	names := map[string]string{}
	for _, s := range kept.Started() {
		names[s.SpanContext().SpanID().String()] = s.Name()
	}
	var all []string
	for _, s := range kept.Ended() {
		way := s.Name()
		if above := names[s.Parent().SpanID().String()]; above != "" {
			way = above + " > " + way
		}
		if code := s.Status().Description; code != "" {
			way += ": " + code
		}
		all = append(all, way)
	}
	slices.Sort(all)
	return all
}

func TestAHandshakeThatIsRefusedHasOneSpanThatEnds(t *testing.T) {
	r, kept := traced(t, server.Config{}, rooms("/room")...)
	for _, target := range []string{"?EIO=3&transport=polling", "?EIO=4&transport=polling", "?EIO=4&transport=websocket"} {
		_, _ = requestWith(t, http.MethodGet, r.url("/socket.io/"+target), "", http.Header{"Origin": {"https://elsewhere.example"}})
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	if got := ways(t, kept); !slices.Equal(got, []string{"handshake: bad_request", "handshake: origin_forbidden", "handshake: unsupported_version"}) {
		t.Errorf("spans %q", got)
	}
}

func TestAnUpgradeThatIsGivenUpIsSeen(t *testing.T) {
	r, kept := traced(t, server.Config{}, rooms("/room")...)
	p, err := wiretest.Dial(t.Context(), r.addr, "polling", wiretest.Options{Header: http.Header{"Traceparent": {traceparent}}})
	if err != nil {
		t.Fatal(err)
	}
	probe, err := p.(*wiretest.Polling).Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Send("4 is no answer to a probe"); err != nil {
		t.Fatal(err)
	}
	_, _ = probe.Next() // until it is closed
	probe.Drop()
	if err := p.Leave(); err != nil {
		t.Error(err)
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	if got := ways(t, kept); !slices.Equal(got, []string{"handshake", "handshake > upgrade: given_up"}) {
		t.Errorf("spans %q", got)
	}
}

// A handler that passes its context on has its broadcast below its event, whatever else its socket does; one that does not
// has it there as long as the socket does nothing else.
func TestABroadcastIsBelowWhatSendsIt(t *testing.T) {
	ns := namespaces.New("/room")
	ns.OnConnect(func(ctx context.Context, s *namespaces.Socket) { _ = ns.In("x").By(s).Within(ctx).Emit("came") })
	namespaces.On(ns, "said", func(ctx context.Context, _ *namespaces.Socket, _ namespaces.None) (bool, error) {
		return true, ns.In("x").Within(ctx).Emit("within")
	})
	namespaces.On(ns, "silent", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (bool, error) {
		_ = ns.Emit("nobody's")
		return true, s.To("x").Emit("by")
	})
	r, kept := traced(t, server.Config{}, ns)
	c := dial(t, r.addr, "websocket")
	enter(c, "/room", token(t, "ada"))
	for _, event := range []string{"said", "silent"} {
		c.send(`42/room,1["` + event + `"]`)
		for !strings.HasPrefix(c.next(), "43/room,1") {
		}
	}
	c.close()
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	want := []string{"broadcast", "event", "event", "event > broadcast", "event > broadcast", "handshake", "handshake > admission", "handshake > broadcast"}
	if got := slices.DeleteFunc(ways(t, kept), func(way string) bool { return strings.Contains(way, "verify") }); !slices.Equal(got, want) {
		t.Errorf("spans %q", got)
	}
}

// A client whose trace is not sampled has no span anywhere, whether or not its handlers pass their context on.
func TestWhatAClientWantsDroppedIsDropped(t *testing.T) {
	ns := namespaces.New("/room")
	below := make(chan trace.SpanContext, 1)
	namespaces.On(ns, "said", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) (bool, error) {
		below <- trace.SpanContextFromContext(ctx)
		_ = s.To("x").Emit("by")
		return true, ns.In("x").Within(ctx).Emit("within")
	})
	r, kept := traced(t, server.Config{}, ns)
	dropped := strings.TrimSuffix(traceparent, "1") + "0"
	c, err := wiretest.Dial(t.Context(), r.addr, "websocket", wiretest.Options{Header: http.Header{"Traceparent": {dropped}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`40/room,{"token":"` + token(t, "ada") + `"}`, `42/room,1["said"]`} {
		if err := c.Send(text); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Next(); err != nil || !strings.HasPrefix(m.Text, "40/room,") && !strings.HasPrefix(m.Text, "43/room,1") {
			t.Fatalf("%q, %v", m.Text, err)
		}
	}
	if of := <-below; !strings.Contains(dropped, of.TraceID().String()) || of.IsSampled() {
		t.Errorf("the handler is below %v", of)
	}
	if err := c.Leave(); err != nil {
		t.Error(err)
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	if got := ways(t, kept); len(got) != 0 {
		t.Errorf("spans %q", got)
	}
}

// A request of a back end belongs to the trace that it names.
func TestARequestOfABackEndIsTraced(t *testing.T) {
	r, kept := traced(t, server.Config{API: everything()}, rooms("/room")...)
	header := withKey(backendSecret)
	header.Set("Traceparent", traceparent)
	header.Set("Content-Type", "application/json")
	if status, body := requestWith(t, http.MethodPost, r.url("/api/v1/publish"), `{"namespace":"/room","rooms":["x"],"event":"e"}`, header); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, _ := requestWith(t, http.MethodPost, r.url("/api/v1/publish"), `{"namespace":"/nowhere","event":"e"}`, header); status == http.StatusOK {
		t.Fatal("published to nobody")
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	want := []string{"POST /api/v1/publish", "POST /api/v1/publish > broadcast", "POST /api/v1/publish: not_found"}
	if got := ways(t, kept); !slices.Equal(got, want) {
		t.Errorf("spans %q", got)
	}
	for _, s := range kept.Ended() {
		if !strings.Contains(traceparent, s.SpanContext().TraceID().String()) {
			t.Errorf("%s is of another trace", s.Name())
		}
	}
}
