package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
	"gatehouse/server/api"
)

func TestWrongQuestionsAndChangesAreRefused(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	ada, _ := r.arrive("ada", "/app")
	for _, c := range []struct {
		method, path, body, want string
	}{
		{"GET", "namespaces/%2Fapp/sockets?limit=0", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?limit=1001", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?limit=all", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?cursor=%21", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?limit=1&limit=2", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?rooms=x", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?room=x&user=y", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?room=%00user", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?room=", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/sockets?room=%ff", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/rooms/%00user/presence", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/rooms/x/history", "", "404 not_found"},
		{"GET", "namespaces/%2Fapp/rooms/x/history?since=1", "", "400 bad_request"},
		{"GET", "namespaces/%2Fapp/rooms/x/history?before=-1", "", "400 bad_request"},
		{"GET", "namespaces/%2Fnone/sockets", "", "404 not_found"},
		{"GET", "namespaces/%2Fapp/nothing", "", "404 not_found"},
		{"GET", "namespaces/%2Fapp/../../revocations", "", "307 <nil>"},
		{"GET", "namespaces/%2Fapp%2F..%2Fapp/sockets", "", "404 not_found"},
		{"DELETE", "namespaces/%2Fapp/sockets", "", "405 method_not_allowed"},
		{"POST", "namespaces/%2Fapp/disconnect", `{}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/disconnect", `{"all":false}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/disconnect", `{"all":true,"users":["ada"]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/disconnect", `{"users":[]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/disconnect", `{"except":["x"]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/disconnect", `[]`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/join", `{"all":true}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/join", `{"all":true,"join":[""]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/join", `{"all":true,"join":["\u0000user\u0000bob"]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/join", `{"all":true,"leave":["x"]}`, "400 bad_request"},
		{"POST", "namespaces/%2Fapp/leave", `{"all":true,"join":["x"],"leave":["x"]}`, "400 bad_request"},
	} {
		status, _, answer := r.call(c.method, "/api/v1/"+c.path, c.body, backEnd)
		if got := fmt.Sprint(status, " ", code(answer)); got != c.want {
			t.Errorf("%s %s %s: %s %v, want %s", c.method, c.path, c.body, got, answer, c.want)
		}
	}
	r.publishes(`{"namespace":"/app","event":"still","users":["` + url.PathEscape("ada") + `"]}`)
	gets(t, ada, `42/app,["still"]`)
}

func TestKeysThatAreNoKeysDoNotStart(t *testing.T) {
	good := everything().Keys[0]
	for words, change := range map[string]func(*api.Key){
		"api.keys[0].name":           func(k *api.Key) { k.Name = "" },
		"name of visible ASCII":      func(k *api.Key) { k.Name = "a\nb" },
		"less than 32 bytes":         func(k *api.Key) { k.Secret = "short" },
		"one of them":                func(k *api.Key) { k.SHA256 = strings.Repeat("0", 64) },
		"openssl rand":               func(k *api.Key) { k.Secret = "" },
		"in hexadecimal":             func(k *api.Key) { k.Secret, k.SHA256 = "", "abc" },
		"api.keys[0].scopes":         func(k *api.Key) { k.Scopes = []string{"write"} },
		"some of publish":            func(k *api.Key) { k.Scopes = nil },
		"api.keys[0].namespaces":     func(k *api.Key) { k.Namespaces = []string{"app"} },
		"end only":                   func(k *api.Key) { k.Namespaces = []string{"/a*b"} },
		"name the namespaces":        func(k *api.Key) { k.Namespaces = nil },
		`it needs namespaces: ["*"]`: func(k *api.Key) { k.Namespaces = []string{"/app"} },
	} {
		k := good
		change(&k)
		err := startsWith(t, server.Config{API: api.Config{Keys: []api.Key{k}}})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), backendSecret) {
			t.Errorf("%s: %v", words, err)
		}
	}
	if err := startsWith(t, server.Config{API: api.Config{Keys: []api.Key{good, good}}}); err == nil || !strings.Contains(err.Error(), "same secret") {
		t.Errorf("twice: %v", err)
	}
}

func TestABackEndSpeaksInANamespaceOfTheConfiguration(t *testing.T) {
	cfg := server.Config{API: everything()}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	r := serve(t, cfg)
	ann := arrives(t, r.addr, "websocket", editor("ann", "acme"))
	hears := func(start, end string) {
		t.Helper()
		if got := ann.hear(); !strings.HasPrefix(got, start) || !strings.HasSuffix(got, end) {
			t.Errorf("heard %s, want %s … %s", got, start, end)
		}
	}
	for _, c := range []struct{ what, start string }{
		{`"users":["ann"]`, `42/app,["news",{"v":2},{"from":"orders","name":"orders","id":"`},
		{`"rooms":["org:acme"]`, `42/app,["news",{"v":2},{"room":"org:acme","from":"orders","name":"orders","id":"`},
	} {
		if n := r.publishes(`{"namespace":"/app","event":"news","data":{"v":2},` + c.what + `}`); n != 1 {
			t.Errorf("%s: queued for %d", c.what, n)
		}
		hears(c.start, `}]`)
	}
	do := func(method, path, body string, want int) string {
		t.Helper()
		status, _, answer := r.call(method, "/api/v1/"+path, body, backEnd)
		text, _ := json.Marshal(answer)
		if status != want {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, status, text, want)
		}
		return string(text)
	}
	do("POST", "publish", `{"namespace":"/app","event":"e","args":[1]}`, 400)
	do("POST", "publish", `{"namespace":"/app","event":"e","data":1,"rooms":["org:acme"],"store":true}`, 400)
	do("POST", "publish", `{"namespace":"/app","event":"e","data":1,"rooms":["a\u202eb"]}`, 400)
	// An event that is sent while nobody is in the room is in the history for a
	// client that joins later.
	do("POST", "publish", `{"namespace":"/app","event":"edit:a","data":{"n":1},"rooms":["doc:acme:7"],"store":true}`, 200)
	says(t, do("GET", "namespaces/%2Fapp/rooms/doc:acme:7/history", "", 200), `"data":{"n":1}`, `"event":"edit:a"`, `"from":"orders"`, `"complete":true`)
	ack, _ := ann.ask("room:join", `{"room":"doc:acme:7"}`)
	says(t, ack, `"event":"edit:a"`, `"from":"orders"`)
	says(t, do("GET", "namespaces/%2Fapp/rooms/doc:acme:7/presence", "", 200), `"count":1`, `"user":"ann"`)
	do("GET", "namespaces/%2Fapp/rooms/org:acme/presence", "", 404)
	says(t, do("GET", "namespaces/%2Fapp/rooms", "", 200), `"doc:acme:7"`, `"user:ann"`)
	if text := do("GET", "namespaces/%2Fapp/sockets", "", 200); strings.Contains(text, `\u0000`) {
		t.Errorf("the server's own rooms are shown: %s", text)
	}
	// The rules about clients do not bind a back end; presence follows its changes.
	do("POST", "namespaces/%2Fapp/leave", `{"users":["ann"],"leave":["doc:acme:7"]}`, 200)
	says(t, do("GET", "namespaces/%2Fapp/rooms/doc:acme:7/presence", "", 200), `"count":0`)
	do("POST", "namespaces/%2Fapp/join", `{"users":["ann"],"join":["doc:other:1"]}`, 200)
	says(t, do("GET", "namespaces/%2Fapp/rooms/doc:other:1/presence", "", 200), `"count":1`)
}
