package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/server"
	"gatehouse/server/api"
)

const backendSecret = "a-secret-of-a-back-end-of-these-tests"

// withKey is the header of a back end's requests.
func withKey(secret string) http.Header { return page("", "Authorization", "Bearer "+secret) }

var backEnd = withKey(backendSecret)

// everything is a key for all.
func everything() api.Config {
	return api.Config{Keys: []api.Key{{
		Name: "orders", Secret: backendSecret, Namespaces: []string{"*"},
		Scopes: []string{api.ScopePublish, api.ScopeRooms, api.ScopeRead, api.ScopeDisconnect, api.ScopeRevoke},
	}}}
}

// rooms is a namespace whose sockets are in the rooms that they ask for.
func rooms(names ...string) []namespaces.Definition {
	var defs []namespaces.Definition
	for _, name := range names {
		ns := namespaces.New(name)
		namespaces.On(ns, "join", func(_ context.Context, s *namespaces.Socket, room string) (bool, error) {
			return true, s.Join(room)
		})
		defs = append(defs, ns)
	}
	return defs
}

// arrive enters a namespace and joins rooms; it returns the client and its id.
func (r *running) arrive(subject, namespace string, rooms ...string) (client, string) {
	r.t.Helper()
	c := dial(r.t, r.addr, "websocket")
	reply := enter(c, namespace, token(r.t, subject))
	var in struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(reply, "40"+namespace+",")), &in); err != nil {
		r.t.Fatalf("not in: %s", reply)
	}
	for i, room := range rooms {
		c.send(fmt.Sprintf(`42%s,%d["join",%q]`, namespace, i, room))
		if got, want := c.next(), fmt.Sprintf(`43%s,%d[true]`, namespace, i); got != want {
			r.t.Fatalf("join: %s", got)
		}
	}
	return c, in.SID
}

// publishes sends operations, which must succeed, and returns how many sockets they were queued for.
func (r *running) publishes(body string) int {
	r.t.Helper()
	status, _, answer := r.call(http.MethodPost, "/api/v1/publish", body, backEnd)
	queued, _ := answer["queued"].(float64)
	if status != http.StatusOK || answer["ok"] != true {
		r.t.Fatalf("%s: %d %v", body, status, answer)
	}
	return int(queued)
}

func gets(t *testing.T, c client, want string) {
	t.Helper()
	if got := c.next(); got != want {
		t.Errorf("the client got %s, want %s", got, want)
	}
}

func code(answer map[string]any) string {
	why, _ := answer["error"].(map[string]any)
	return fmt.Sprint(why["code"])
}

func TestABackEndPublishesToWhomItNames(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	ada, adaID := r.arrive("ada", "/app", "doc:7")
	bob, _ := r.arrive("bob", "/app", "doc:7", "desk")
	for _, c := range []struct {
		what string
		n    int
		to   []client
	}{
		{`"rooms":["doc:7"]`, 2, []client{ada, bob}},
		{`"rooms":["doc:7","desk"]`, 2, []client{ada, bob}},
		{`"rooms":["doc:7"],"except":["desk"]`, 1, []client{ada}},
		{`"rooms":["nobody"]`, 0, nil},
		{`"users":["bob"]`, 1, []client{bob}},
		{`"users":["carol"]`, 0, nil},
		{`"sockets":["` + adaID + `"]`, 1, []client{ada}},
		{`"sockets":["` + adaID + `"],"users":["bob"]`, 2, []client{ada, bob}},
		{`"except":["` + adaID + `"]`, 1, []client{bob}},
		{`"volatile":true`, 2, []client{ada, bob}},
	} {
		if n := r.publishes(`{"namespace":"/app","event":"e","data":1,` + c.what + `}`); n != c.n {
			t.Errorf("%s: queued for %d", c.what, n)
		}
		for _, one := range c.to {
			gets(t, one, `42/app,["e",1]`)
		}
	}
	// A list keeps its order, and none of the events above has reached anybody else.
	r.publishes(`[{"namespace":"/app","event":"a"},{"namespace":"/app","event":"b","args":[1,{"x":"y"}]}]`)
	for _, one := range []client{ada, bob} {
		gets(t, one, `42/app,["a"]`)
		gets(t, one, `42/app,["b",1,{"x":"y"}]`)
	}
	r.publishes(`{"namespace":"/app","event":"file","data":{"_placeholder":true,"num":0},"attachments":["AQID"]}`)
	gets(t, ada, `451-/app,["file",{"_placeholder":true,"num":0}]`)
	gets(t, ada, "\x01\x02\x03")
}

func TestABackEndGetsTheAnswersOfSockets(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	ada, id := r.arrive("ada", "/app")
	r.arrive("bob", "/app") // never answers
	go func() {
		asked := ada.next()
		ack := strings.TrimSuffix(strings.TrimPrefix(asked, "42/app,"), `["which"]`)
		ada.send("43/app," + ack + `["this",2]`)
	}()
	_, _, answer := r.call(http.MethodPost, "/api/v1/publish", `{"namespace":"/app","event":"which","ack":{"timeout":300}}`, backEnd)
	text, _ := json.Marshal(answer["results"])
	if want := `[{"answers":[{"args":["this",2],"socket":"` + id + `"}],"missing":1,"queued":2}]`; string(text) != want {
		t.Errorf("answered %s, want %s", text, want)
	}
}

func TestAKeyDoesWhatItsScopesAndNamespacesSay(t *testing.T) {
	const reader, tenant, old = "a-key-that-reads-and-nothing-else-00", "a-key-of-one-tenant-of-these-tests-0", "the-secret-that-is-being-replaced-00"
	sum := sha256.Sum256([]byte(old))
	cfg := everything()
	cfg.Keys = append(cfg.Keys,
		api.Key{Name: "reader", Secret: reader, Namespaces: []string{"/app"}, Scopes: []string{api.ScopeRead}},
		api.Key{Name: "tenant", Secret: tenant, Namespaces: []string{"/tenant-*"}, Scopes: []string{api.ScopePublish, api.ScopeRead}},
		api.Key{Name: "orders", SHA256: hex.EncodeToString(sum[:]), Namespaces: []string{"/app"}, Scopes: []string{api.ScopePublish}})
	r := serve(t, server.Config{API: cfg}, rooms("/app", "/tenant-a")...)
	const publishApp, publishTenant = `{"namespace":"/app","event":"e"}`, `{"namespace":"/tenant-a","event":"e"}`
	for _, c := range []struct {
		secret, method, path, body string
		status                     int
		code                       string
	}{
		{backendSecret, "POST", "publish", publishApp, 200, ""},
		{old, "POST", "publish", publishApp, 200, ""},
		{old, "POST", "publish", publishTenant, 403, "forbidden"},
		{tenant, "POST", "publish", publishTenant, 200, ""},
		{tenant, "POST", "publish", publishApp, 403, "forbidden"},
		{tenant, "POST", "publish", "[" + publishTenant + "," + publishApp + "]", 403, "forbidden"},
		{tenant, "POST", "publish", `{"namespace":"/tenant-z","event":"e"}`, 404, "not_found"},
		{tenant, "POST", "publish", `{"namespace":"/nowhere","event":"e"}`, 403, "forbidden"},
		{reader, "POST", "publish", publishApp, 403, "forbidden"},
		{reader, "GET", "namespaces/%2Fapp/sockets", "", 200, ""},
		{reader, "GET", "namespaces/app/sockets", "", 200, ""},
		{reader, "GET", "namespaces/%2Ftenant-a/sockets", "", 403, "forbidden"},
		{reader, "POST", "namespaces/%2Fapp/join", `{"all":true,"join":["x"]}`, 403, "forbidden"},
		{reader, "POST", "namespaces/%2Fapp/disconnect", `{"all":true}`, 403, "forbidden"},
		{reader, "POST", "revocations", `{"subject":"ada"}`, 403, "forbidden"},
		{reader, "GET", "openapi.json", "", 200, ""},
		{backendSecret, "GET", "revocations", "", 200, ""},
		{backendSecret, "GET", "stats", "", 404, "not_found"}, // is the operators'
		{"a-key-that-nobody-has-given-to-anyone", "GET", "openapi.json", "", 401, "unauthenticated"},
		{"", "GET", "openapi.json", "", 401, "unauthenticated"},
	} {
		status, _, answer := r.call(c.method, "/api/v1/"+c.path, c.body, withKey(c.secret))
		if status != c.status || c.code != "" && code(answer) != c.code {
			t.Errorf("%.12s… %s %s %s: %d %v, want %d %s", c.secret, c.method, c.path, c.body, status, answer, c.status, c.code)
		}
	}
	if text := r.log.String(); strings.Contains(text, backendSecret) || strings.Contains(text, old) || !strings.Contains(text, `"key":"tenant"`) {
		t.Error("the log has a secret, or names no key")
	}
}

func TestOperatorsMayUseTheInterfaceOfBackEnds(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}}, rooms("/app")...)
	if status, _, answer := r.call(http.MethodPost, "/api/v1/publish", `{"namespace":"/app","event":"e"}`, operator); status != http.StatusOK {
		t.Errorf("%d %v", status, answer)
	}
	if status, _, _ := r.call(http.MethodPost, "/api/v1/publish", `{"namespace":"/app","event":"e"}`, backEnd); status != http.StatusUnauthorized {
		t.Errorf("with a key that is not there: %d", status)
	}
}

func TestWrongOperationsAreRefusedAndNothingIsDone(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	ada, _ := r.arrive("ada", "/app")
	many := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for body, want := range map[string]string{
		``: "400 bad_request", `x`: "400 bad_request", `null`: "400 bad_request", `{}`: "400 bad_request", `[]`: "400 bad_request", `[1]`: "400 bad_request", `"x"`: "400 bad_request",
		`{"namespace":"/app"}`:                                                                                "400 bad_request",
		`{"event":"e"}`:                                                                                       "400 bad_request",
		`{"namespace":"/app","event":"e"} {}`:                                                                 "400 bad_request",
		`{"namespace":"/app","event":"e","event":"f"}`:                                                        "400 bad_request",
		`{"namespace":"/app","event":"e","Data":1}`:                                                           "400 bad_request",
		`{"namespace":"/app","event":"e","room":"x"}`:                                                         "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":"x"}`:                                                        "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":[]}`:                                                         "400 bad_request",
		`{"namespace":"/app","event":"e","users":[]}`:                                                         "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":[""]}`:                                                       "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":["\u0000user\u0000ada"]}`:                                    "400 bad_request",
		`{"namespace":"/app","event":"e","except":["\u0000x"]}`:                                               "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":["` + strings.Repeat("x", 1025) + `"]}`:                      "400 bad_request",
		`{"namespace":"/app","event":"e","rooms":` + many(1001, `"x"`) + `}`:                                  "400 bad_request",
		`{"namespace":"/app","event":"connect"}`:                                                              "400 bad_request",
		`{"namespace":"/app","event":"auth:revoked"}`:                                                         "400 bad_request",
		`{"namespace":"/app","event":"` + strings.Repeat("x", 300) + `"}`:                                     "400 bad_request",
		`{"namespace":"/app","event":"e","data":1,"args":[1]}`:                                                "400 bad_request",
		`{"namespace":"/app","event":"e","store":true,"rooms":["x"]}`:                                         "400 bad_request",
		`{"namespace":"/app","event":"e","data":{"_placeholder":true,"num":0}}`:                               "400 bad_request",
		`{"namespace":"/app","event":"e","attachments":["AQID"]}`:                                             "400 bad_request",
		`{"namespace":"/app","event":"e","attachments":["no base64!"]}`:                                       "400 bad_request",
		`{"namespace":"/app","event":"e","data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "400 bad_request",
		`{"namespace":"/app","event":"e","ack":{}}`:                                                           "400 bad_request",
		`{"namespace":"/app","event":"e","ack":{"timeout":30001}}`:                                            "400 bad_request",
		`{"namespace":"/app","event":"e","ack":{"timeout":5},"volatile":true}`:                                "400 bad_request",
		many(2, `{"namespace":"/app","event":"e","ack":{"timeout":5}}`):                                       "400 bad_request",
		many(1001, `{"namespace":"/app","event":"e"}`):                                                        "400 bad_request",
		`[{"namespace":"/app","event":"e"},{"namespace":"/app","event":""}]`:                                  "400 bad_request",
		`[{"namespace":"/app","event":"e"},{"namespace":"/else","event":"e"}]`:                                "404 not_found",
		"{\"namespace\":\"/app\",\"event\":\"\xff\"}":                                                         "400 bad_request",
		`{"namespace":"/app","event":"e","data":"` + strings.Repeat("x", 5<<20) + `"}`:                        "413 too_large",
	} {
		status, _, answer := r.call(http.MethodPost, "/api/v1/publish", body, backEnd)
		if got := fmt.Sprint(status, " ", code(answer)); got != want {
			t.Errorf("%.90q: %s %.200v, want %s", body, got, answer, want)
		}
	}
	form := backEnd.Clone()
	form.Set("Content-Type", "text/plain")
	if status, _, answer := r.call(http.MethodPost, "/api/v1/publish", `{"namespace":"/app","event":"e"}`, form); status != 400 {
		t.Errorf("as text: %d %v", status, answer)
	}
	if status, header, _ := r.call(http.MethodGet, "/api/v1/publish", "", backEnd); status != 405 || header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", status, header)
	}
	r.publishes(`{"namespace":"/app","event":"last"}`)
	gets(t, ada, `42/app,["last"]`) // and nothing before it
}

func TestARepeatedRequestIsDoneOnce(t *testing.T) {
	const other = "the-secret-of-another-back-end-00000"
	cfg := everything()
	cfg.Keys = append(cfg.Keys, api.Key{Name: "other", Secret: other, Namespaces: []string{"/app"}, Scopes: []string{api.ScopePublish}})
	r := serve(t, server.Config{API: cfg}, rooms("/app")...)
	ada, _ := r.arrive("ada", "/app")
	send := func(secret, key, body string) (int, http.Header, map[string]any) {
		h := withKey(secret)
		h.Set("Idempotency-Key", key)
		return r.call(http.MethodPost, "/api/v1/publish", body, h)
	}
	const first = `{"namespace":"/app","event":"first"}`
	for i := range 3 {
		status, header, answer := send(backendSecret, "k1", first)
		if status != 200 || answer["queued"] != 1.0 || (header.Get("Idempotency-Replayed") == "true") != (i > 0) {
			t.Errorf("time %d: %d %v %v", i, status, header, answer)
		}
	}
	if status, _, answer := send(backendSecret, "k1", `{"namespace":"/app","event":"else"}`); status != 409 || code(answer) != "conflict" {
		t.Errorf("another request: %d %v", status, answer)
	}
	if status, _, _ := send(other, "k1", `{"namespace":"/app","event":"others"}`); status != 200 {
		t.Errorf("another key: %d", status)
	}
	if status, _, _ := send(backendSecret, "k2", `{"namespace":"/app","event":""}`); status != 400 {
		t.Errorf("a mistake: %d", status)
	}
	if status, _, _ := send(backendSecret, "k2", `{"namespace":"/app","event":"corrected"}`); status != 200 {
		t.Errorf("the corrected request: %d", status)
	}
	if status, _, _ := send(backendSecret, strings.Repeat("k", 129), first); status != 400 {
		t.Errorf("a long key: %d", status)
	}
	for _, event := range []string{"first", "others", "corrected"} {
		gets(t, ada, `42/app,["`+event+`"]`)
	}
}

func TestABackEndSeesWhoIsThere(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app", "/other")...)
	ids := map[string]bool{}
	for i := range 5 {
		_, id := r.arrive(fmt.Sprintf("user%d", i%3), "/app", "all", fmt.Sprintf("room%d", i))
		ids[id] = true
	}
	r.arrive("user1", "/other")
	get := func(path string) map[string]any {
		t.Helper()
		status, _, answer := r.call(http.MethodGet, "/api/v1/"+path, "", backEnd)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, status, answer)
		}
		return answer
	}
	list := func(answer map[string]any, key, field string) (out []string) {
		all, _ := answer[key].([]any)
		for _, one := range all {
			fields, _ := one.(map[string]any)
			out = append(out, fmt.Sprint(fields[field]))
		}
		return out
	}
	var seen []string
	cursor := ""
	for range 3 {
		answer := get("namespaces/%2Fapp/sockets?limit=2&cursor=" + cursor)
		seen = append(seen, list(answer, "sockets", "id")...)
		cursor, _ = answer["cursor"].(string)
	}
	for _, id := range seen {
		delete(ids, id)
	}
	if len(seen) != 5 || len(ids) != 0 || cursor != "" {
		t.Errorf("pages of sockets: %v, without %v, cursor %q", seen, ids, cursor)
	}
	if got := list(get("namespaces/%2Fapp/sockets?user=user1"), "sockets", "user"); fmt.Sprint(got) != "[user1 user1]" {
		t.Errorf("sockets of a user: %v", got)
	}
	if got := list(get("namespaces/%2Fapp/sockets?room=room4"), "sockets", "rooms"); fmt.Sprint(got) != "[[all room4]]" {
		t.Errorf("sockets in a room: %v", got)
	}
	if got := list(get("namespaces/%2Fapp/sockets?user=carol"), "sockets", "id"); got != nil {
		t.Errorf("sockets of nobody: %v", got)
	}
	if got := get("namespaces/%2Fapp/rooms?limit=3"); fmt.Sprint(list(got, "rooms", "room"), list(got, "rooms", "sockets")) != "[all room0 room1] [5 1 1]" || got["cursor"] == nil {
		t.Errorf("rooms: %v", got)
	}
	if got := get("namespaces/%2Fapp/rooms/all/presence"); fmt.Sprint(list(got, "members", "user"), got["count"]) != "[user0 user1 user2] 3" {
		t.Errorf("presence: %v", got)
	}
	got := get("users/user1")
	text, _ := json.Marshal(got)
	says(t, string(text), `"namespace":"/app"`, `"namespace":"/other"`, `"address":"127.0.0.1"`, `"since":"20`, `"room1"`, `"room4"`)
	if strings.Contains(string(text), "room0") {
		t.Errorf("a user is shown others' sockets: %s", text)
	}
}

func TestABackEndMovesAndDisconnectsSockets(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	ada, _ := r.arrive("ada", "/app")
	bob, _ := r.arrive("bob", "/app", "desk")
	do := func(what, body string) any {
		t.Helper()
		status, _, answer := r.call(http.MethodPost, "/api/v1/namespaces/%2Fapp/"+what, body, backEnd)
		if status != http.StatusOK {
			t.Fatalf("%s %s: %d %v", what, body, status, answer)
		}
		return answer["selected"]
	}
	if n := do("join", `{"users":["ada"],"join":["desk","doc:7"]}`); n != 1.0 {
		t.Errorf("join: %v", n)
	}
	r.publishes(`{"namespace":"/app","event":"e","rooms":["desk"]}`)
	gets(t, ada, `42/app,["e"]`)
	gets(t, bob, `42/app,["e"]`)
	if n := do("leave", `{"rooms":["desk"],"except":["doc:7"],"leave":["desk"]}`); n != 1.0 {
		t.Errorf("leave: %v", n)
	}
	if n := r.publishes(`{"namespace":"/app","event":"f","rooms":["desk"]}`); n != 1 {
		t.Errorf("after bob has left, %d are in the room", n)
	}
	gets(t, ada, `42/app,["f"]`)
	if n := do("disconnect", `{"users":["ada"]}`); n != 1.0 {
		t.Errorf("disconnect: %v", n)
	}
	gets(t, ada, `41/app,`)
	if n := do("disconnect", `{"users":["nobody"]}`); n != 0.0 {
		t.Errorf("disconnect of nobody: %v", n)
	}
	r.publishes(`{"namespace":"/app","event":"still"}`)
	gets(t, bob, `42/app,["still"]`)
	do("disconnect", `{"all":true,"closeTransport":true}`)
	gets(t, bob, `41/app,`)
	if got := bob.next(); !strings.HasPrefix(got, "closed ") {
		t.Errorf("bob got %s", got)
	}
}
