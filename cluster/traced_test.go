package cluster

import (
	"fmt"
	"slices"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// A traced broadcast has spans, in one trace, at the nodes that get it; an untraced one has none there. The form
// of Node's redis-adapter has no room for a trace.
func TestATraceFollowsABroadcastToOtherNodes(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	for _, c := range []struct {
		mode   Mode
		secret []byte
		follow bool
	}{
		{ModeStreams, nil, true},
		{ModePubSub, []byte("a secret of nodes that trace, of some length"), true},
		{ModeSharded, nil, true},
		{ModePubSub, nil, false},
	} {
		t.Run(fmt.Sprint(c.mode, " secret ", c.secret != nil), func(t *testing.T) {
			kept := tracetest.NewSpanRecorder()
			provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(kept))
			cfg := NodeConfig{Mode: c.mode, Secret: c.secret, Traces: provider, Settings: Settings{Key: fmt.Sprint("traced-", c.mode, c.secret != nil)}}
			nodes := fleet(t, r, 2, cfg, nil)
			far := nodes[1].visit()

			ctx, above := provider.Tracer("test").Start(t.Context(), "broadcast")
			above.End()
			if err := nodes[0].ns.In("room").Within(ctx).Emit("traced", 1); err != nil {
				t.Fatal(err)
			}
			if err := nodes[0].ns.In("room").Emit("untraced", 2); err != nil {
				t.Fatal(err)
			}
			far.expect(2)
			want := []string{"broadcast", "cluster publish below broadcast"}
			if c.follow {
				want = append(want, "cluster deliver below cluster publish")
			}
			slices.Sort(want)
			nodes[0].until("the spans have ended", func() bool { return len(kept.Ended()) == len(want) })
			if got := drawn(kept.Ended()); !slices.Equal(got, want) {
				t.Errorf("spans %q", got)
			}
		})
	}
}

func drawn(spans []sdk.ReadOnlySpan) []string {
	names := map[trace.SpanID]string{}
	for _, s := range spans {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	all := make([]string, 0, len(spans))
	for _, s := range spans {
		line := s.Name()
		if above := names[s.Parent().SpanID()]; above != "" {
			line += " below " + above
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

// A trace from another node affects nothing else.
func TestATraceThatIsNoneSpoilsNothing(t *testing.T) {
	for _, parent := range []string{`"x"`, `5`, `null`, `{"a":[]}`} {
		e := entry{uid: "u", namespace: "/", kind: typeBroadcast, data: `{"opts":{"rooms":["a"],"except":[],"flags":{}},"traceparent":` + parent + `,"packet":{"type":2,"data":["e"],"nsp":"/"}}`}
		act, err := decodeAction(e, NodeConfig{}.Packet)
		if err != nil || act.operation.Packet.Event != "e" {
			t.Errorf("%s: %v", parent, err)
		}
		n := &Node{cfg: NodeConfig{Traces: sdk.NewTracerProvider()}}
		n.trace(act)()
	}
}
