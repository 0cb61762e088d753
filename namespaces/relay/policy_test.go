package relay

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gatehouse/handshake"
)

func ann(claims map[string]any) Facts {
	return Facts{Identity: handshake.Identity{Subject: "ann", Name: "Ann", Issuer: "https://id.example", Scopes: []string{"staff"}, Method: "token", Claims: claims}, Namespace: "/app", Address: "192.0.2.7"}
}

func policy(t *testing.T, cfg Config, parts ...string) *Policy {
	t.Helper()
	p, err := NewPolicy(cfg, parts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExpressionsDecideWhoEnters(t *testing.T) {
	claims := map[string]any{"org": "acme", "level": json.Number("3"), "orgs": []any{"acme", "globex"}, "plan": map[string]any{"name": "pro"}, "ok": "yes", "ratio": json.Number("0.5")}
	for _, c := range []struct {
		rule    string
		allowed bool
		fails   string
	}{
		{"", true, ""},
		{"  ", true, ""},
		{"true", true, ""},
		{"false", false, ""},
		{`"staff" in scopes`, true, ""},
		{`"admin" in scopes || has(claims.org)`, true, ""},
		{`claims.org == "acme"`, true, ""},
		{`claims.level >= 3`, true, ""},
		{`claims.ratio < 1.0`, true, ""},
		{`"globex" in claims.orgs`, true, ""},
		{`claims.plan.name == "pro"`, true, ""},
		{`claims.missing == "x"`, false, "no such key"},
		{`claims.plan.missing.deeper`, false, "no such key"},
		{`claims.org`, false, "neither true nor false"},
		{`claims.ok == true`, false, ""},
		{`org == claims.org`, true, ""},
		{`sub == "ann" && name == "Ann" && issuer.startsWith("https://id") && method == "token" && namespace == "/app" && address.matches("^192[.]")`, true, ""},
		{`namespace == "/app" && 'namespace "' != "" && r"\" != "" || namespace.startsWith("/app")`, true, ""},
		{`claims.level / 0 > 1`, false, "division by zero"},
		{`[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, true)))))`, false, "cost limit exceeded"},
	} {
		p := policy(t, Config{Admit: c.rule}, "org")
		f := ann(claims)
		f.Parts = map[string]string{"org": "acme"}
		allowed, err := p.Admit(&f)
		if allowed != c.allowed {
			t.Errorf("%s: allowed is %v", c.rule, allowed)
		}
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: error %v, want one that says %q", c.rule, err, c.fails)
		}
	}
}

func TestEntryRoomsComeFromClaims(t *testing.T) {
	claims := map[string]any{"org": "acme", "teams": []any{"a", "b"}, "id": json.Number("7"), "odd": "x:y{z}%", "nested": []any{[]any{"x"}}, "map": map[string]any{}}
	for _, c := range []struct{ template, rooms, fails string }{
		{"lobby", "lobby", ""},
		{"user:{sub}", "user:ann", ""},
		{"org:{claims.org}", "org:acme", ""},
		{"team:{claims.teams}:{sub}", "team:a:ann team:b:ann", ""},
		{"n:{claims.id}", "n:7", ""},
		{"scope:{scopes}", "scope:staff", ""},
		{"org:{claims.missing}", "", ""},
		{"t:{tenant}", "t:acme", ""},
		{"odd:{claims.odd}", "odd:x%3Ay%7Bz%7D%25", ""},
		{"n:{claims.nested}", "", "list of lists"},
		{"n:{claims.map}", "", "neither a text"},
	} {
		f := ann(claims)
		f.Parts = map[string]string{"tenant": "acme"}
		rooms, err := policy(t, Config{Join: []string{c.template}}, "tenant").entryRooms(&f)
		if got := strings.Join(rooms, " "); got != c.rooms {
			t.Errorf("%s names %q, want %q", c.template, got, c.rooms)
		}
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: error %v, want one that says %q", c.template, err, c.fails)
		}
	}
}

func TestTheFirstPatternThatFitsDecides(t *testing.T) {
	p := policy(t, Config{Rooms: []RoomRule{
		{Match: "doc:{org}:{id}", Join: "org == claims.org", Send: `"staff" in scopes`, Events: []string{"cursor", "edit:*"}},
		{Match: "doc:{id}", Join: "false"},
		{Match: "user:{who}", Join: "who == sub"},
		{Match: "hall", Join: "true"},
		{Match: "{any}", Join: "true"},
	}})
	for _, c := range []struct {
		room, event string
		join, send  bool
		rule        string
	}{
		{"doc:acme:7", "cursor", true, true, "rooms[0]"},
		{"doc:acme:7", "edit:", true, true, "rooms[0]"},
		{"doc:acme:7", "delete", true, false, "rooms[0]"},
		{"doc:acme:7", "auth:expiring", true, false, "rooms[0]"},
		{"doc:globex:7", "cursor", false, true, "rooms[0]"},
		{"doc:7", "x", false, false, "rooms[1]"},
		{"user:ann", "x", true, false, "rooms[2]"},
		{"user:bob", "x", false, false, "rooms[2]"},
		{"hall", "x", true, false, "rooms[3]"},
		{"anything", "x", true, false, "rooms[4]"},
		{"e\u0301", "x", true, false, "rooms[4]"},
		{"доc", "x", true, false, "rooms[4]"}, // Cyrillic, a room of its own
	} {
		f := ann(map[string]any{"org": "acme"})
		room, err := p.Room(&f, c.room)
		if err != nil {
			t.Errorf("%s: %v", c.room, err)
			continue
		}
		f.Event = c.event
		join, _ := room.MayJoin(&f)
		send, _ := room.maySend(&f)
		if join != c.join || send != c.send || room.rule.at != c.rule {
			t.Errorf("%s %s: join %v, send %v, by %s", c.room, c.event, join, send, room.rule.at)
		}
	}
}

// A client cannot choose a name that reaches a room of another rule, a user's own
// room, or a socket's.
func TestHostileNamesReachNothing(t *testing.T) {
	p := policy(t, Config{Join: []string{"user:{sub}"}, Rooms: []RoomRule{{Match: "{any}", Join: "true"}, {Match: "pub:{x}", Join: "true"}}})
	for _, name := range []string{
		"", "user:bob", "user:", ":", "a:b", "pub:a:b", "pub:", "pub",
		"a\x00b", "a\nb", "a\u202Eb", "a\u200Bb", "a\u2028b", "a\u009Bb", "\xff\xfe", " a", "a ", "a\u00A0",
		strings.Repeat("x", 257), strings.Repeat("\u0344", 128), // grows when it is composed
		"abcdefghij0123456789", "ABCDEFGHIJ-_klmnopqr",
	} {
		f := ann(nil)
		room, err := p.Room(&f, name)
		if err == nil && name != "pub" { // which is a name of one part
			t.Errorf("%q is let through to %q", name, room.Name)
		}
	}
	f := ann(nil)
	composed, err := p.Room(&f, "e\u0301")
	if err != nil || composed.Name != "é" {
		t.Errorf("a name is not composed: %q, %v", composed.Name, err)
	}
}

func TestASubjectWithASeparatorNamesNobodyElsesRoom(t *testing.T) {
	p := policy(t, Config{Join: []string{"user:{sub}"}, Rooms: []RoomRule{{Match: "user:{who}", Join: "who == sub"}, {Match: "user:{who}:admin", Join: "false"}}})
	f := ann(nil)
	f.Identity.Subject = "ann:admin"
	rooms, err := p.entryRooms(&f)
	if err != nil || len(rooms) != 1 || rooms[0] != "user:ann%3Aadmin" {
		t.Fatalf("rooms %v, %v", rooms, err)
	}
	room, err := p.Room(&f, rooms[0])
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := room.MayJoin(&f); !ok {
		t.Error("a user may not join the own room")
	}
}

func TestMistakesAreToldAllAtOnceWithTheirKeys(t *testing.T) {
	_, err := NewPolicy(Config{
		Admit: "claims.org ==",
		Join:  []string{"user:{who}", "a:{claims.x}:{claims.y}"},
		Rooms: []RoomRule{
			{Match: "doc:{sub}"}, {Match: "doc:{org}"}, {Match: "a{b"}, {Match: "{a}{b}"}, {Match: ""}, {Match: "{a}:{a}"},
			{Match: "x", Join: "1 + 1"}, {Match: "y", Join: "unknown == 1"}, {Match: "z", Send: `"a"`, Events: []string{"room:join"}},
			{Match: "h", History: HistoryRule{Age: 1}}, {Match: "l", Limits: LimitRule{Over: "shout"}},
		},
		Relay: []ForwardRule{{}, {Events: []string{"x"}, To: "all"}, {Events: []string{"x"}, To: "others", Rooms: []string{"a"}}, {Events: []string{"a*b"}, To: "others"}},
	}, []string{"org"})
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	for _, key := range []string{
		"admit: ", "join[0]: ", "join[1]: ", "rooms[0].match: {sub}", "rooms[1].match: {org}", "rooms[2].match: ", "rooms[3].match: ", "rooms[4].match: ", "rooms[5].match: ",
		"rooms[6].join: ", "rooms[7].join: ", "rooms[8].send: ", "rooms[8].events: ", "rooms[9].history: ", "rooms[10].limits.over: ",
		"relay[0].events: ", "relay[1].to: ", "relay[2]: ", "relay[3].events: ",
	} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("the error does not name %q:\n%v", key, err)
		}
	}
}

func TestExpressionsHaveBounds(t *testing.T) {
	for _, text := range []string{
		`"` + strings.Repeat("a", 5000) + `" == "b"`,
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300),
	} {
		if _, err := NewPolicy(Config{Admit: text}, nil); err == nil {
			t.Errorf("an expression of %d characters is taken: %.20s", len(text), text)
		}
	}
}

func TestARelayIsFoundByItsEvent(t *testing.T) {
	p := policy(t, Config{Relay: []ForwardRule{
		{Events: []string{"drawing"}, To: ToOthers},
		{Events: []string{"chat *"}, Allow: "!has(claims.muted)", Rooms: []string{"org:{claims.org}"}},
	}})
	if _, ok := p.Forward("typing"); ok {
		t.Error("an event that no rule names is passed on")
	}
	r, ok := p.Forward("chat message")
	if !ok {
		t.Fatal("no rule is found")
	}
	f := ann(map[string]any{"org": "acme"})
	if rooms, err := r.Rooms(&f); err != nil || len(rooms) != 1 || rooms[0] != "org:acme" {
		t.Errorf("rooms %v, %v", rooms, err)
	}
	for _, claims := range []map[string]any{{"org": "acme"}, {"muted": true}} {
		f := ann(claims)
		if allowed, err := r.allows(&f); err != nil || allowed != (claims["muted"] == nil) {
			t.Errorf("claims %v: allowed %v, %v", claims, allowed, err)
		}
	}
}

func TestExplainSaysWhichRuleDecidedAndWhatItsPartsWere(t *testing.T) {
	p := policy(t, Config{
		Admit: `"staff" in scopes`,
		Rooms: []RoomRule{{Match: "doc:{org}:{id}", Join: "org == claims.org", Send: `claims.role == "editor"`, Events: []string{"edit"}}},
	})
	f := ann(map[string]any{"org": "acme"})
	f.Room, f.Event = "doc:globex:7", "edit"
	d := p.Explain(f)
	if len(d) != 3 || !d[0].Allowed || d[1].Allowed || d[2].Allowed {
		t.Fatalf("decisions %+v", d)
	}
	for i, says := range [][]string{
		{"allowed by admit", `"staff" in scopes`},
		{"refused by rooms[0].join: org == claims.org", `claims.org = "acme"`, `org = "globex"`},
		{"refused by rooms[0].send", "no such key: role"},
	} {
		for _, text := range says {
			if !strings.Contains(d[i].String(), text) {
				t.Errorf("decision %d does not say %q:\n%s", i, text, d[i])
			}
		}
	}
	f.Room = "elsewhere"
	if d := p.Explain(f); len(d) != 2 || d[1].Allowed || d[1].Problem != ErrNoRule.Error() {
		t.Errorf("decisions %+v", d)
	}
	f.Identity.Scopes = nil
	if d := p.Explain(f); len(d) != 1 || d[0].Allowed {
		t.Errorf("decisions %+v", d)
	}
}

func TestARoomWithoutARuleIsNobodys(t *testing.T) {
	f := ann(nil)
	if _, err := policy(t, Config{}).Room(&f, "hall"); !errors.Is(err, ErrNoRule) {
		t.Errorf("error %v", err)
	}
	room, err := policy(t, Config{Rooms: []RoomRule{{Match: "hall"}}}).Room(&f, "hall")
	if err != nil {
		t.Fatal(err)
	}
	if join, _ := room.MayJoin(&f); join {
		t.Error("a rule without join lets somebody join")
	}
	if send, _ := room.maySend(&f); send {
		t.Error("a rule without send lets somebody send")
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("doc:{org}:{id}", "doc:acme:7")
	f.Add("{a}-{b}", "x-y-z")
	f.Add("a{b}c", "axc")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := parseRoomPattern(text)
		if err != nil {
			return
		}
		parts, ok := p.match(name)
		if !ok {
			return
		}
		// The pattern with its variables filled in is the text that matched.
		again := p.literals[0]
		for i, variable := range p.names {
			again += escape(parts[variable]) + p.literals[i+1]
		}
		if unescape(again) != unescape(name) {
			t.Errorf("%q matches %q with %v, which is %q", text, name, parts, again)
		}
	})
}
