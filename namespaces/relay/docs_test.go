package relay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	document "go.yaml.in/yaml/v3"

	"gatehouse/handshake"
)

// examples reads the worked examples of docs/routing.md, each by the word that it
// begins with.
func examples(t *testing.T) map[string]map[string]Config {
	t.Helper()
	page, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(page), "## Ten examples")
	if !found {
		t.Fatal("the page has no examples")
	}
	all := map[string]map[string]Config{}
	for _, match := range regexp.MustCompile("(?ms)^([A-Z][^:\n]*):[^`]*```yaml\n(.*?)```").FindAllStringSubmatch(part, -1) {
		var file struct {
			Namespaces map[string]Config `yaml:"namespaces"`
		}
		d := document.NewDecoder(strings.NewReader(match[2]))
		d.KnownFields(true)
		if err := d.Decode(&file); err != nil {
			t.Fatalf("%s: %v", match[1], err)
		}
		all[match[1]] = file.Namespaces
	}
	return all
}

func TestTheExamplesOfTheDocsAllowWhatTheySay(t *testing.T) {
	all := examples(t)
	if len(all) != 10 {
		t.Fatalf("%d examples", len(all))
	}
	type claims = map[string]any
	list := func(values ...any) []any { return values }
	for _, c := range []struct {
		example, namespace string
		sub                string
		scopes             []string
		claims             claims
		room, event        string
		enter, join, send  bool
	}{
		{"Tenants", "/app", "ann", nil, claims{"org": "acme"}, "org:acme:x", "e", true, true, true},
		{"Tenants", "/app", "ann", nil, claims{"org": "acme"}, "org:globex:x", "e", true, false, false},
		{"Tenants", "/app", "ann", nil, nil, "org:acme:x", "e", false, false, false},
		{"Documents", "/docs", "ann", nil, claims{"reads": list("7"), "writes": list("7")}, "doc:7", "edit:x", true, true, true},
		{"Documents", "/docs", "ann", nil, claims{"reads": list("7")}, "doc:7", "edit:x", true, true, false},
		{"Documents", "/docs", "ann", nil, claims{"reads": list("7"), "writes": list("7")}, "doc:7", "delete", true, true, false},
		{"Roles", "/desk", "ann", []string{"staff"}, nil, "desk", "e", true, true, false},
		{"Roles", "/desk", "ann", []string{"staff", "dispatcher"}, nil, "desk", "e", true, true, true},
		{"Roles", "/desk", "ann", nil, nil, "desk", "e", false, true, false},
		{"Private rooms", "/app", "ann", nil, claims{"teams": list("a")}, "team:a", "e", true, true, true},
		{"Private rooms", "/app", "ann", nil, claims{"teams": list("a")}, "team:b", "e", true, false, false},
		{"Direct messages", "/dm", "ann", nil, nil, "user:ann", "dm", true, true, true},
		{"Direct messages", "/dm", "ann", nil, nil, "user:bob", "dm", true, false, true},
		{"Direct messages", "/dm", "ann", nil, nil, "user:bob", "other", true, false, false},
		{"Guests", "/public", "", nil, nil, "news:x", "e", true, true, false},
		{"Read-only rooms", "/app", "ann", nil, nil, "ticker:x", "e", true, true, false},
		{"Moderation", "/app", "ann", nil, nil, "chat:x", "message", true, true, true},
		{"Moderation", "/app", "ann", nil, claims{"muted": true}, "chat:x", "message", true, true, false},
		{"Limits by plan", "/app", "ann", nil, claims{"plan": "pro"}, "pro:x", "e", true, true, true},
		{"Limits by plan", "/app", "ann", nil, claims{"plan": "free"}, "pro:x", "e", true, false, false},
		{"Limits by plan", "/app", "ann", nil, claims{"plan": "free"}, "free:x", "e", true, true, true},
		{"Device rooms", "/devices", "device:7", nil, claims{"devices": list()}, "device:7", "state", true, false, true},
		{"Device rooms", "/devices", "ann", nil, claims{"devices": list("7")}, "device:7", "state", true, true, false},
	} {
		p := policy(t, all[c.example][c.namespace])
		f := Facts{Identity: handshake.Identity{Subject: c.sub, Scopes: c.scopes, Claims: c.claims}, Namespace: c.namespace, Event: c.event}
		enter, _ := p.Admit(&f)
		room, err := p.Room(&f, c.room)
		if err != nil {
			t.Errorf("%s: %s: %v", c.example, c.room, err)
			continue
		}
		join, _ := room.MayJoin(&f)
		send, _ := room.maySend(&f)
		if enter != c.enter || join != c.join || send != c.send {
			t.Errorf("%s: %s %v in %s with %s: enter %v, join %v, send %v", c.example, c.sub, c.claims, c.room, c.event, enter, join, send)
		}
	}
}
