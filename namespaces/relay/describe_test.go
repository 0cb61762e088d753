package relay_test

import (
	"slices"
	"testing"

	"gatehouse/backend"
	"gatehouse/namespaces"
	"gatehouse/namespaces/relay"
)

func TestAConfigurationIsDescribedAsFarAsItsRulesSay(t *testing.T) {
	names := func(all []namespaces.EventType) (out []string) {
		for _, e := range all {
			out = append(out, e.Name)
		}
		return out
	}
	cfg := relay.Config{
		Rooms: []relay.RoomRule{
			{Match: "doc:{id}", Join: "org == id", Events: []string{"edit:*"}, History: relay.HistoryRule{Messages: 1}},
			{Match: "desk", Join: "true", Events: []string{"cursor"}, Presence: true},
		},
		Relay:   []relay.ForwardRule{{Events: []string{"drawing"}, To: relay.ToOthers}},
		Backend: "shop",
	}
	d, err := relay.Describe("/app-{org}", cfg, map[string]backend.Config{"shop": {Events: []string{"order:*"}}})
	if err != nil || d.Label != "/app-{org}" {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, want := range []string{"drawing", "order:*", "room:send"} {
		if got := names(d.Takes); !slices.Contains(got, want) {
			t.Errorf("it takes %q, without %s", got, want)
		}
	}
	for _, want := range []string{"cursor", "drawing", "edit:*", "history:missed", "presence:joined"} {
		if got := names(d.Emits); !slices.Contains(got, want) {
			t.Errorf("it emits %q, without %s", got, want)
		}
	}
	open, err := relay.Describe("/open", relay.Config{Rooms: []relay.RoomRule{{Match: "a", Join: "true"}}}, nil)
	if got := names(open.Emits); err != nil || !slices.Contains(got, "*") || slices.Contains(got, "presence:joined") {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := relay.Describe("/a", relay.Config{Admit: "1 +"}, nil); err == nil {
		t.Error("a rule that is none is described")
	}
}
