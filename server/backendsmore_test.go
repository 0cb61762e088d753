package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
	"gatehouse/server/api"
)

// TestABackEndPublishesToAFamilyThatNobodyIsIn publishes to a family without clients, which is no error.
func TestABackEndPublishesToAFamilyThatNobodyIsIn(t *testing.T) {
	const tenant = "a-key-of-one-tenant-of-these-tests-0"
	cfg := server.Config{API: everything()}
	cfg.API.Keys = append(cfg.API.Keys, api.Key{Name: "acme", Secret: tenant, Namespaces: []string{"/tenant-acme"}, Scopes: []string{api.ScopePublish}})
	cfg.Namespaces = map[string]rules.Config{"/tenant-{org}": {Max: 2, Rooms: []rules.RoomRule{
		{Match: "doc:{id}", Join: "true", History: rules.HistoryRule{Messages: 10}},
	}}}
	r := serve(t, cfg)
	if n := r.publishes(`{"namespace":"/tenant-acme","event":"e","data":1}`); n != 0 {
		t.Errorf("queued for %d", n)
	}
	if n := r.publishes(`{"namespace":"/tenant-acme","rooms":["doc:7"],"event":"kept","data":1,"store":true}`); n != 0 {
		t.Errorf("queued for %d", n)
	}
	_, _, answer := r.call(http.MethodGet, "/api/v1/namespaces/%2Ftenant-acme/rooms/doc:7/history", "", backEnd)
	if text := fmt.Sprint(answer); !strings.Contains(text, "event:kept") {
		t.Errorf("what was stored is not kept: %v", text)
	}
	for body, want := range map[string]string{
		`{"namespace":"/tenant-other","event":"e"}`: "403 forbidden", // of another tenant
		`{"namespace":"/tenant-","event":"e"}`:      "403 forbidden",
	} {
		status, _, answer := r.call(http.MethodPost, "/api/v1/publish", body, withKey(tenant))
		if got := fmt.Sprint(status, " ", code(answer)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for name, want := range map[string]string{"/tenant-": "404 not_found", "/nowhere": "404 not_found", "no slash": "404 not_found"} {
		status, _, answer := r.call(http.MethodPost, "/api/v1/publish", fmt.Sprintf(`{"namespace":%q,"event":"e"}`, name), backEnd)
		if got := fmt.Sprint(status, " ", code(answer)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for i := range 5 { // more than the limit: namespaces without clients give way
		if n := r.publishes(fmt.Sprintf(`{"namespace":"/tenant-%d","event":"e"}`, i)); n != 0 {
			t.Errorf("queued for %d", n)
		}
	}
}

func TestAKeyThatAsksTooFastWaits(t *testing.T) {
	const other = "the-secret-of-another-back-end-00000"
	cfg := everything()
	cfg.Keys[0].Rate = 1
	cfg.Keys = append(cfg.Keys, api.Key{Name: "other", Secret: other, Namespaces: []string{"/app"}, Scopes: []string{api.ScopePublish}})
	r := serve(t, server.Config{API: cfg, Admin: server.Admin{Key: adminKey}}, rooms("/app")...)
	const body = `{"namespace":"/app","event":"e"}`
	refused := 0
	for range 40 {
		status, header, answer := r.call(http.MethodPost, "/api/v1/publish", body, backEnd)
		if status == http.StatusOK {
			continue
		}
		if refused++; status != http.StatusTooManyRequests || code(answer) != "rate_limited" || header.Get("Retry-After") == "" {
			t.Errorf("%d %v %v", status, header, answer)
		}
	}
	if refused == 0 || refused > 30 {
		t.Errorf("%d of 40 requests were refused", refused)
	}
	if status, _, _ := r.call(http.MethodPost, "/api/v1/publish", body, withKey(other)); status != http.StatusOK {
		t.Errorf("another key: %d", status)
	}
	_, text := ask(t, r.url("/metrics"), operator, "")
	for _, want := range []string{
		fmt.Sprintf(`gatehouse_api_requests_total{code="ok",key="orders",request="POST /api/v1/publish"} %d`, 40-refused),
		fmt.Sprintf(`gatehouse_api_requests_total{code="rate_limited",key="orders",request="POST /api/v1/publish"} %d`, refused),
		`gatehouse_api_requests_total{code="ok",key="other",request="POST /api/v1/publish"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
}

// TestPagesWhileSocketsComeAndGo checks that a socket that stays while the pages are read is in exactly
// one of them.
func TestPagesWhileSocketsComeAndGo(t *testing.T) {
	r := serve(t, server.Config{API: everything()}, rooms("/app")...)
	dice := rand.New(rand.NewPCG(1, 2)) // repeatable
	var stay []string
	passing := map[string]client{}
	for i := range 20 {
		one, id := r.arrive(fmt.Sprint("user", i), "/app")
		if i%2 == 0 {
			stay = append(stay, id)
		} else {
			passing[id] = one
		}
	}
	var seen []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		_, _, answer := r.call(http.MethodGet, fmt.Sprintf("/api/v1/namespaces/%%2Fapp/sockets?limit=%d&cursor=%s", 1+dice.IntN(4), cursor), "", backEnd)
		all, _ := answer["sockets"].([]any)
		for _, one := range all {
			fields, _ := one.(map[string]any)
			id, _ := fields["id"].(string)
			if slices.Contains(seen, id) {
				t.Errorf("%s comes twice", id)
			}
			seen = append(seen, id)
		}
		cursor, _ = answer["cursor"].(string)
		for id, one := range passing {
			one.close()
			delete(passing, id)
			break
		}
		r.arrive("late", "/app")
		if n > 100 {
			t.Fatal("the pages do not end")
		}
	}
	for _, id := range stay {
		if !slices.Contains(seen, id) {
			t.Errorf("%s was there all the time and is in no page", id)
		}
	}
}

func TestTooMuchIsNotAskedForAtOnce(t *testing.T) {
	cfg := server.Config{API: everything()}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	r := serve(t, cfg)
	for _, path := range []string{"sockets", "rooms", "rooms/doc:acme:1/presence", "rooms/doc:acme:1/history"} {
		for query, want := range map[string]string{
			"limit=100000": "400 bad_request", "limit=1001": "400 bad_request", "limit=0": "400 bad_request", "limit=-1": "400 bad_request", "limit=x": "400 bad_request",
			"limit=1000": "200 <nil>", "limit=1&limit=2": "400 bad_request", "members=1": "400 bad_request",
		} {
			status, _, answer := r.call(http.MethodGet, "/api/v1/namespaces/%2Fapp/"+path+"?"+query, "", backEnd)
			if got := fmt.Sprint(status, " ", code(answer)); got != want {
				t.Errorf("%s?%s: %s, want %s", path, query, got, want)
			}
		}
	}
	for _, cursor := range []string{"%21", "AA%3D%3D", strings.Repeat("A", 5000)} {
		status, _, answer := r.call(http.MethodGet, "/api/v1/namespaces/%2Fapp/sockets?cursor="+cursor, "", backEnd)
		if got := fmt.Sprint(status, " ", code(answer)); got != "400 bad_request" {
			t.Errorf("a cursor of one's own: %s", got)
		}
	}
}
