package glimpse

import (
	"strings"
	"testing"

	"gatehouse/packet"
)

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"

func TestSecretsOfPacketsAreHidden(t *testing.T) {
	for _, c := range []struct {
		name, text       string
		incoming         bool
		kind, event, out string
	}{
		{"the credentials of a CONNECT", `0/chat,{"token":"hunter22","x":[1,"hunter22"]}`, true, "connect", "", `{"token":"•••","x":"•••"}`},
		{"what brings a session back", `0{"sid":"public","pid":"hunter22"}`, false, "connected", "", `{"sid":"public","pid":"•••"}`},
		{"a refresh", `21["auth:refresh",{"token":"hunter22"},"hunter22"]`, true, "event", "auth:refresh", `["•••","•••"]`},
		{"names of secrets", `2["login",{"user":"ada","Pass_word":"hunter22","nested":[{"api-key":["hunter22"],"n":1}]}]`, true, "event", "login", `[{"user":"ada","Pass_word":"•••","nested":[{"api-key":"•••","n":1}]}]`},
		{"a token among words", `2["say","use ` + jwt + ` please"]`, true, "event", "say", `["use ••• please"]`},
		{"a header", `3["Authorization: Bearer hunter22hunter22"]`, false, "acknowledgement", "", `["Authorization: Bearer •••"]`},
		{"a parameter", `2["go","https://x.example/?ticket=hunter22&room=1"]`, true, "event", "go", `["https://x.example/?ticket=•••&room=1"]`},
		{"a key as a name", `2["map",{"` + jwt + `":1}]`, true, "event", "map", `[{"•••":1}]`},
		{"no arguments", `2["ping"]`, true, "event", "ping", `[]`},
		{"an escaped name", `2["a\"b","x"]`, true, "event", `a"b`, `["x"]`},
		{"a refresh in escapes", `2["\u0061uth:refresh","hunter22"]`, true, "event", "auth:refresh", `["•••"]`},
		{"no packet", "hunter22", true, "unreadable", "", ""},
		{"no JSON", `2["say",hunter22`, true, "unreadable", "", ""},
		{"an old client's query", "0/chat?token=hunter22,", true, "connect", "", ""},
	} {
		f := describeText([]byte(c.text), c.incoming)
		if f.Kind != c.kind || f.Name != c.event || f.Text != c.out {
			t.Errorf("%s: %+v, want %s %s %s", c.name, f, c.kind, c.event, c.out)
		}
		if strings.Contains(f.Text+f.Name+f.Namespace, "hunter22") {
			t.Errorf("%s: the secret is shown: %+v", c.name, f)
		}
	}
}

func TestLargePacketsAreCut(t *testing.T) {
	f := describeText([]byte(`2["say","`+strings.Repeat("ü", mostShown)+`"]`), true)
	if !f.Cut || len(f.Text) > mostShown || !strings.HasSuffix(f.Text, "ü") {
		t.Errorf("cut %v, %d bytes", f.Cut, len(f.Text))
	}
	f = describeText([]byte(`2["say","`+strings.Repeat("x", mostRead)+`"]`), true)
	if !f.Cut || f.Text != "" {
		t.Errorf("of a packet that is too large to read, %d bytes are shown", len(f.Text))
	}
}

func TestAViewShowsItsNamespaceAndNeverWaits(t *testing.T) {
	var vs Views
	vs.Received(false, []byte(`2["nobody looks"]`))
	v := NewView("/chat")
	vs.Add(v)
	for range 10 * mostASecond {
		vs.Received(false, []byte(`2/chat,["say"]`))
	}
	vs.Remove(v)
	vs.Received(false, []byte(`2/chat,["too late"]`))
	if n := len(v.Messages()); n < mostASecond || n > mostWaiting {
		t.Errorf("%d messages wait", n)
	}
	seen := v.Describe(<-v.Messages())
	if len(seen) != 1 || seen[0].Name != "say" || seen[0].Direction != "in" || seen[0].Missed == 0 {
		t.Errorf("%+v", seen)
	}
	if other := v.Describe(Message{data: []byte(`2/other,["say"]`), size: 15}); other != nil {
		t.Errorf("of another namespace: %+v", other)
	}
}

func TestPacketsOfEveryWireAreRead(t *testing.T) {
	args, err := packet.NewArgs(map[string]any{"token": "hunter22", "file": []byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []packet.Wire{packet.V5, packet.Msgpack} {
		var vs Views
		v := NewView("/chat")
		vs.Add(v)
		vs.Sent(packet.Encode(&packet.Packet{Type: packet.Event, Namespace: "/chat", Event: "file", Args: args}, w))
		seen := v.Describe(<-v.Messages())
		if len(seen) == 0 || seen[0].Name != "file" || seen[0].Direction != "out" || strings.Contains(seen[0].Text, "hunter22") || !strings.Contains(seen[0].Text, `"token":"•••"`) {
			t.Errorf("wire %d: %+v", w, seen)
		}
	}
}

func TestNobodyWhoLooksCostsNothing(t *testing.T) {
	var vs Views
	f := packet.Encode(&packet.Packet{Type: packet.Event, Namespace: "/", Event: "e"}, packet.V5)
	data := []byte(`2["e"]`)
	if n := testing.AllocsPerRun(100, func() { vs.Sent(f); vs.Received(false, data) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
