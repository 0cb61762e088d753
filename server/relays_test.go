package server_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/internal/wiretest"
	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
)

// app is the configured namespace of the tests in this file.
func app() rules.Config {
	return rules.Config{
		Admit: `"staff" in scopes`,
		Join:  []string{"user:{sub}", "org:{claims.org}"},
		Rooms: []rules.RoomRule{
			{Match: "doc:{org}:{id}", Join: "org == claims.org", Send: `claims.role == "editor"`, Events: []string{"cursor", "edit:*"},
				History: rules.HistoryRule{Messages: 10}, Presence: true},
			{Match: "slow:{id}", Join: "true", Send: "true", Limits: rules.LimitRule{Events: 1}},
		},
		Relay: []rules.ForwardRule{
			{Events: []string{"drawing"}, To: rules.ToOthers},
			{Events: []string{"announce"}, Allow: `claims.role == "editor"`, Rooms: []string{"org:{claims.org}"}, Meta: true},
		},
	}
}

// guest is a client of such a namespace.
type guest struct {
	t *testing.T
	wiretest.Client
	n int
}

// claims are those of a token.
type claims = map[string]any

// tokenOf signs claims that hold for an hour.
func tokenOf(t *testing.T, c claims) string {
	t.Helper()
	all := maps.Clone(c)
	all["iat"], all["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return mintRaw(t, string(text))
}

// arrives signs in and enters /app.
func arrives(t *testing.T, addr, transport string, c claims) *guest {
	t.Helper()
	client, err := wiretest.Dial(context.WithoutCancel(t.Context()), addr, transport, wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Leave() })
	reply, err := wiretest.Enter(client, "/app", `{"token":"`+tokenOf(t, c)+`"}`)
	if err != nil || !strings.HasPrefix(reply, "40/app,") {
		t.Fatalf("not admitted: %s %v", reply, err)
	}
	return &guest{t: t, Client: client}
}

// ask emits an event and returns its acknowledgement, and the events that come
// before it.
func (g *guest) ask(event, args string) (ack string, before []string) {
	g.t.Helper()
	g.n++
	id := string(rune('0' + g.n%10))
	if err := g.Send(`42/app,` + id + `["` + event + `",` + args + `]`); err != nil {
		g.t.Fatal(err)
	}
	for {
		text := g.hear()
		if ack, ok := strings.CutPrefix(text, "43/app,"+id); ok {
			return ack, before
		}
		before = append(before, text)
	}
}

func (g *guest) hear() string {
	g.t.Helper()
	p, err := g.Next()
	if err != nil {
		g.t.Fatal(err)
	}
	return p.Text
}

func editor(sub, org string) claims {
	return claims{"sub": sub, "name": strings.ToUpper(sub), "scope": "staff", "org": org, "role": "editor"}
}

func TestRulesRouteClients(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	addr := serve(t, cfg).addr
	for _, transport := range wiretest.Transports {
		t.Run(transport, func(t *testing.T) {
			ann := arrives(t, addr, transport, editor("ann", transport))
			bob := arrives(t, addr, transport, claims{"sub": "bob", "name": "Bob", "scope": "staff", "org": transport})
			room := `"doc:` + transport + `:1"`

			ack, _ := ann.ask("room:join", `{"room":`+room+`}`)
			says(t, ack, `"ok":true`, `"count":1`, `"user":"ann"`, `"complete":true`, `"offset":0`)
			ack, before := ann.ask("room:send", `{"room":`+room+`,"event":"edit:title","data":{"v":1},"nonce":"n1"}`)
			says(t, ack, `"ok":true`, `"id":`)
			says(t, strings.Join(before, ""), `["edit:title",{"v":1},{"room":`+room+`,"from":"ann","name":"ANN","id":`)
			again, before := ann.ask("room:send", `{"room":`+room+`,"event":"edit:title","data":{"v":1},"nonce":"n1"}`)
			if again != ack || len(before) > 0 {
				t.Errorf("a repeated nonce: %s, and it was sent again: %v", again, before)
			}

			ack, _ = bob.ask("room:join", `{"room":`+room+`}`)
			says(t, ack, `"count":2`, `"history":[{"offset":1,"event":"edit:title","data":{"v":1},"meta":{`, `"complete":true`)
			says(t, ann.hear(), `"presence:joined"`, `"user":"bob"`)
			ack, _ = bob.ask("room:send", `{"room":`+room+`,"event":"edit:x","data":1}`)
			says(t, ack, `"code":"forbidden"`)

			ack, _ = bob.ask("presence:set", `{"room":`+room+`,"state":{"busy":true}}`)
			says(t, ack, `"ok":true`)
			says(t, ann.hear(), `"presence:state"`, `"state":{"busy":true}`)
			ack, _ = ann.ask("presence:get", `{"room":`+room+`}`)
			says(t, ack, `"count":2`, `"more":false`)
			ack, _ = ann.ask("history:get", `{"room":`+room+`,"since":{"offset":0,"epoch":""}}`)
			says(t, ack, `"entries":[{"offset":1`, `"complete":true`)

			if err := ann.Send(`42/app,["drawing",{"x":1},2]`); err != nil {
				t.Fatal(err)
			}
			for {
				if text := bob.hear(); !strings.Contains(text, "presence:state") {
					says(t, text, `42/app,["drawing",{"x":1},2]`)
					break
				}
			}
			ack, _ = ann.ask("announce", `"hello"`)
			says(t, ack, `[{}]`)
			says(t, bob.hear(), `["announce","hello",{"from":"ann"`)
			ack, _ = bob.ask("room:leave", `{"room":`+room+`}`)
			says(t, ack, `"ok":true`)
			says(t, ann.hear(), `"presence:left"`, `"user":"bob"`)
		})
	}
}

func TestWhatNoRuleAllowsIsRefused(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	cfg.Sockets.UnknownEvents = "answer"
	addr := serve(t, cfg).addr
	outsider, err := wiretest.Dial(t.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer outsider.Drop()
	reply, err := wiretest.Enter(outsider, "/app", `{"token":"`+tokenOf(t, claims{"sub": "eve"})+`"}`)
	if err != nil || !strings.HasPrefix(reply, "44/app,") || !strings.Contains(reply, "forbidden") {
		t.Errorf("let in without the scope: %s %v", reply, err)
	}
	ann := arrives(t, addr, "websocket", editor("ann", "acme"))
	for _, c := range []struct{ event, args, code string }{
		{"room:join", `{"room":"doc:globex:1"}`, "forbidden"},
		{"room:join", `{"room":"user:bob"}`, "forbidden"},
		{"room:join", `{"room":"org:acme"}`, "forbidden"},
		{"room:join", `{"room":"a\u0000b"}`, "bad_request"},
		{"room:join", `{"room":"` + strings.Repeat("x", 300) + `"}`, "bad_request"},
		{"room:join", `{"room":"abcdefghij0123456789"}`, "bad_request"},
		{"room:join", `{"room":7}`, "bad_request"},
		{"room:join", `null`, "bad_request"},
		{"room:send", `{"room":"doc:acme:1","event":"delete","data":1}`, "forbidden"},
		{"room:send", `{"room":"doc:acme:1","event":"auth:revoked","data":1}`, "bad_request"},
		{"room:send", `{"room":"doc:acme:1","event":"disconnect","data":1}`, "bad_request"},
		{"room:send", `{"room":"doc:acme:1","event":"edit:x","data":1,"nonce":"` + strings.Repeat("n", 65) + `"}`, "bad_request"},
		{"presence:set", `{"room":"slow:1","state":1}`, "bad_request"},
		{"presence:set", `{"room":"doc:acme:1","state":1}`, "forbidden"},
		{"presence:set", `{"room":"doc:acme:1","state":"` + strings.Repeat("s", 1100) + `"}`, "bad_request"},
		{"history:get", `{"room":"doc:globex:1"}`, "forbidden"},
		{"history:get", `{"room":"slow:1"}`, "bad_request"},
		{"unheard", `1`, "unknown_event"},
	} {
		if ack, _ := ann.ask(c.event, c.args); !strings.Contains(ack, `"code":"`+c.code+`"`) {
			t.Errorf("%s %.60s: %s, want %s", c.event, c.args, ack, c.code)
		}
	}
	if ack, _ := ann.ask("room:send", `{"room":"slow:1","event":"x"}`); !strings.Contains(ack, `"ok":true`) {
		t.Error(ack)
	}
	ack, _ := ann.ask("room:send", `{"room":"slow:1","event":"x"}`)
	says(t, ack, `"code":"rate_limited"`, `"retryAfterMs":`)
}

func TestABackEndAnswersEvents(t *testing.T) {
	told := make(chan backend.Event, 10)
	app := func(w http.ResponseWriter, r *http.Request) {
		var e backend.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		switch {
		case e.Type != backend.ClientEvent:
			told <- e
			if e.User != nil && e.User.Subject == "mal" {
				_, _ = io.WriteString(w, `{"error":{"code":"banned","message":"Not you."}}`)
			}
		case e.Event == "order:create":
			_, _ = io.WriteString(w, `{"join":["desk"],"emit":[{"to":"desk","event":"order:created","args":[{"n":1}]},{"user":"bob","event":"for:bob","args":[]}],"ack":[{"ok":true,"id":7}]}`)
		case e.Event == "order:leave":
			_, _ = io.WriteString(w, `{"leave":["desk"],"disconnect":true}`)
		case e.Event == "order:file":
			_ = json.NewEncoder(w).Encode(backend.Answer{Ack: e.Args, Attachments: e.Attachments})
		case e.Event == "order:wrong":
			_, _ = io.WriteString(w, `<html>`)
		case e.Event == "order:halfwrong": // an acknowledgement with a placeholder but no attachment
			_, _ = io.WriteString(w, `{"emit":[{"user":"ann","event":"never","args":[]}],"ack":[{"_placeholder":true,"num":0}]}`)
		case e.Event == "order:down":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(app))
	defer srv.Close()
	cfg := server.Config{}
	cfg.Backends = map[string]backend.Config{"app": {
		URL: srv.URL, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Events: []string{"order:*"},
		On: []string{"connect", "disconnect", "occupied", "vacated"},
	}}
	cfg.Namespaces = map[string]rules.Config{"/app": {Backend: "app"}}
	addr := serve(t, cfg).addr
	for _, transport := range wiretest.Transports {
		t.Run(transport, func(t *testing.T) {
			bob := arrives(t, addr, transport, claims{"sub": "bob"})
			ann := arrives(t, addr, transport, claims{"sub": "ann"})
			ack, before := ann.ask("order:create", `{"item":"tea"}`)
			says(t, ack, `[{"ok":true,"id":7}]`)
			says(t, strings.Join(before, ""), `42/app,["order:created",{"n":1}]`)
			says(t, bob.hear(), `42/app,["for:bob"]`)
			ack, _ = ann.ask("order:wrong", `1`)
			says(t, ack, `"code":"internal"`)
			ack, before = ann.ask("order:halfwrong", `1`)
			says(t, ack, `"code":"internal"`)
			if len(before) > 0 {
				t.Errorf("a part of a wrong answer was done: %v", before)
			}
			ack, _ = ann.ask("order:down", `1`)
			says(t, ack, `"code":"unavailable"`, `"retryAfterMs":`)
			for _, want := range []backend.Type{backend.Connect, backend.Connect, backend.RoomOccupied} {
				if e := <-told; e.Type != want {
					t.Errorf("told %s, want %s", e.Type, want)
				}
			}
			ack, _ = ann.ask("order:leave", `1`)
			says(t, ack, `"ok":true`)
			says(t, ann.hear(), "41/app,")
			for range 2 { // of two lanes
				if e := <-told; e.Type != backend.RoomVacated && e.Type != backend.Disconnect {
					t.Errorf("told %s", e.Type)
				}
			}
			_ = bob.Leave()
			if e := <-told; e.Type != backend.Disconnect || e.User.Subject != "bob" {
				t.Errorf("told %+v", e)
			}
		})
	}
	mal, err := wiretest.Dial(t.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mal.Drop()
	reply, err := wiretest.Enter(mal, "/app", `{"token":"`+tokenOf(t, claims{"sub": "mal"})+`"}`)
	if err != nil || !strings.Contains(reply, `"code":"banned"`) {
		t.Errorf("the back end refuses, and the client gets %s %v", reply, err)
	}
}

func TestMistakesInNamespacesAreTold(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{
		"/a": {Admit: "nobody ==", Backend: "missing"},
		"/b": {Rooms: []rules.RoomRule{{Match: "x", Join: "1"}}},
	}
	cfg.Backends = map[string]backend.Config{"app": {URL: "http://example.com"}}
	_, err := server.New(cfg)
	if err == nil {
		t.Fatal("it starts")
	}
	says(t, err.Error(), "namespaces./a.admit: ", "namespaces./a.backend: ", "namespaces./b.rooms[0].join: ", "backends.app.url: ", "backends.app.secret: ")
}

func TestAFamilyOfNamespacesComesFromTheConfiguration(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{"/tenant-{org}": {
		Admit: "org == claims.org",
		Rooms: []rules.RoomRule{{Match: "doc:{id}", Join: `org + "-reader" in scopes`, Send: "true"}},
	}}
	addr := serve(t, cfg).addr
	for _, transport := range wiretest.Transports {
		t.Run(transport, func(t *testing.T) {
			c, err := wiretest.Dial(t.Context(), addr, transport, wiretest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Drop()
			token := tokenOf(t, claims{"sub": "ann", "org": "acme", "scope": "acme-reader"})
			for namespace, want := range map[string]string{"/tenant-acme": "40/tenant-acme,", "/tenant-globex": "44/tenant-globex,", "/tenant-": "44/tenant-,"} {
				if reply, err := wiretest.Enter(c, namespace, `{"token":"`+token+`"}`); err != nil || !strings.HasPrefix(reply, want) {
					t.Errorf("%s: %s %v", namespace, reply, err)
				}
			}
			if err := c.Send(`42/tenant-acme,1["room:join",{"room":"doc:7"}]`); err != nil {
				t.Fatal(err)
			}
			p, err := c.Next()
			if err != nil || p.Text != `43/tenant-acme,1[{"ok":true}]` {
				t.Errorf("%s %v", p.Text, err)
			}
		})
	}
}
