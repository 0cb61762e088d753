package relay_test

import (
	"fmt"

	"gatehouse/handshake"
	"gatehouse/namespaces/relay"
)

// The rules of a namespace are a value. Policy answers what they allow, without a server.
func ExampleNewPolicy() {
	rules := relay.Config{
		Admit: `"staff" in scopes`,
		Rooms: []relay.RoomRule{{Match: "doc:{org}:{id}", Join: "org == claims.org", Send: `claims.role == "editor"`}},
	}
	policy, err := relay.NewPolicy(rules, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := handshake.Identity{Subject: "ada", Scopes: []string{"staff"}, Claims: map[string]any{"org": "acme", "role": "reader"}}
	for _, d := range policy.Explain(relay.Facts{Identity: ada, Namespace: "/app", Room: "doc:acme:7", Event: "edit:title"}) {
		fmt.Println(d.Allowed, d.Rule, d.Values)
	}
	// Output:
	// true admit [scopes = [staff]]
	// true rooms[0].join [claims.org = "acme" org = "acme"]
	// false rooms[0].send [claims.role = "reader"]
}
