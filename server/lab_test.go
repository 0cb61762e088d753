package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
)

// labGiven is the answer of the lab's endpoints.
type labGiven struct{ Token, Expired, Cookie string }

func labMakes(t *testing.T, r *running, path string) labGiven {
	t.Helper()
	status, body := requestWith(t, http.MethodPost, r.url(path), "", http.Header{"Origin": {r.url("")}})
	var given labGiven
	if err := json.Unmarshal([]byte(body), &given); err != nil || status != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, status, body)
	}
	return given
}

func TestEachNamespaceOfTheLabHasItsOwnWayInOnly(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	given := labMakes(t, r, "/lab/credentials")
	c := dial(t, r.addr, "websocket")
	for namespace, want := range map[string]string{
		"/lab/token": `40/lab/token,{"sid":`, "/lab/anonymous": `40/lab/anonymous,{"sid":`, "/lab/ticket": "unauthenticated",
		"/lab/bearer": "unauthenticated", "/lab/subprotocol": "unauthenticated", "/lab/cookie": "unauthenticated",
		"/lab/basic": "unauthenticated", "/lab/certificate": "unauthenticated", "/lab/query-token": "unauthenticated",
	} {
		if reply := enter(c, namespace, given.Token); !strings.Contains(reply, want) {
			t.Errorf("a token in the first message to %s: %s, want %s", namespace, reply, want)
		}
	}
	if reply := enter(c, "/lab/none", given.Token); !strings.Contains(reply, "Invalid namespace") {
		t.Error(reply)
	}
}

func TestTheLabAnswersWhoCameIn(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	given := labMakes(t, r, "/lab/credentials")
	c := dial(t, r.addr, "websocket")
	enter(c, "/lab/token", given.Token)
	c.send(`42/lab/token,7["whoami"]`)
	says(t, c.next(), `43/lab/token,7[{"subject":"ada","name":"Ada","method":"token","expiresAt":"`)

	c = dial(t, r.addr, "websocket")
	says(t, enter(c, "/lab/token", given.Expired), `"code":"token_expired"`)
}

func TestTheLabSignsInWithACookieAndOutAgain(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	if given := labMakes(t, r, "/lab/session"); given.Cookie != "gatehouse-lab" || given.Token != "" {
		t.Errorf("cookie %q, %d bytes of token in the body", given.Cookie, len(given.Token))
	}
	req := http.Header{"Origin": {r.url("")}}
	if status, _ := requestWith(t, http.MethodDelete, r.url("/lab/session"), "", req); status != http.StatusNoContent {
		t.Errorf("DELETE /lab/session: %d", status)
	}
}

func TestThereIsNoLabWithoutDevMode(t *testing.T) {
	r := serve(t, server.Config{})
	for _, path := range []string{"/lab/credentials", "/lab/session"} {
		if status, body := request(t, http.MethodPost, r.url(path), "", ""); status/100 == 2 || strings.Contains(body, "token") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if reply := enter(dial(t, r.addr, "websocket"), "/lab/token", token(t, "ada")); !strings.Contains(reply, "Invalid namespace") {
		t.Error(reply)
	}
}

func TestForeignPagesGetNothingFromTheLab(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	for _, path := range []string{"/lab/credentials", "/lab/session"} {
		status, body := requestWith(t, http.MethodPost, r.url(path), "", http.Header{"Origin": {"https://evil.example"}})
		if status != http.StatusForbidden || !strings.Contains(body, "origin_forbidden") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A printed configuration that is read back has its defaults written out, and
// lists that are empty and not nil.
func TestDefaultsThatAreWrittenOutLeaveTheLabItsSettings(t *testing.T) {
	cfg := server.Config{Dev: true}.WithDefaults()
	cfg.Subprotocol.Supported = []string{}
	r := serve(t, cfg)
	if given := labMakes(t, r, "/lab/session"); given.Cookie != "gatehouse-lab" {
		t.Errorf("cookie %q, want the lab's", given.Cookie)
	}
	c := come(t, r.addr, offering("gatehouse.lab", labMakes(t, r, "/lab/credentials").Token))
	if got := sendConnect(c, "/lab/subprotocol", ""); got != "in" {
		t.Errorf("the lab's own protocol: %s", got)
	}
}

func TestTheLabLeavesSettingsAsTheyAre(t *testing.T) {
	cfg := server.Config{Dev: true}
	cfg.Cookie.InsecureNoCSRF, cfg.Cookie.Name, cfg.Cookie.InsecureName = true, "mine", true
	cfg.Subprotocol.Forms = []string{"appsync"}
	r := serve(t, cfg)
	says(t, r.log.String(), "cookie.insecure_no_csrf")
	if given := labMakes(t, r, "/lab/session"); given.Cookie != "mine" {
		t.Errorf("cookie %q, want the configured one", given.Cookie)
	}
	c := dial(t, r.addr, "websocket")
	says(t, enter(c, "/lab/token", labMakes(t, r, "/lab/credentials").Token), `40/lab/token,{"sid":`)
}

func TestTheLabSaysWhatOneMayDo(t *testing.T) {
	cfg := server.Config{Dev: true}
	cfg.Namespaces = map[string]rules.Config{"/app": {Admit: `name == "Ada"`, Rooms: []rules.RoomRule{{Match: "doc:{owner}", Join: "true", Send: "owner == sub"}}}}
	r := serve(t, cfg)
	from := http.Header{"Origin": {r.url("")}, "Content-Type": {"application/json"}}
	if status, body := requestWith(t, http.MethodGet, r.url("/lab/rules"), "", from); status != http.StatusOK || !strings.Contains(body, `"namespaces":["/app"]`) {
		t.Errorf("the namespaces: %d %s", status, body)
	}
	for question, want := range map[string]string{
		`{"namespace":"/app"}`:                                                    `200 {"ok":true,"subject":"ada","allowed":true,`,
		`{"namespace":"/app","room":"doc:ada","event":"e"}`:                       `200 {"ok":true,"subject":"ada","allowed":true,`,
		`{"namespace":"/app","room":"doc:bob","event":"e"}`:                       `200 {"ok":true,"subject":"ada","allowed":false,`,
		`{"namespace":"/app","token":"` + tokenOf(t, claims{"sub": "bob"}) + `"}`: `200 {"ok":true,"subject":"bob","allowed":false,`,
		`{"namespace":"/nowhere"}`:                                                `400 {"ok":false,"error":{"code":"bad_request","message":"the configuration has no namespace /nowhere"`,
		`{"namespace":"/app","token":"x.y.z"}`:                                    `400 {"ok":false,"error":{"code":"bad_request","message":"the token lets nobody in: `,
		`{"namespace":"/app","more":1}`:                                           `400 {"ok":false`,
		`{"namespace":"/app","token":"` + strings.Repeat("x", 100_000) + `"}`:     `413 {"ok":false`,
	} {
		status, body := requestWith(t, http.MethodPost, r.url("/lab/explain"), question, from)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%.80s: %s, want %s", question, got, want)
		}
	}
	from.Set("Origin", "https://foreign.example")
	if status, _ := requestWith(t, http.MethodPost, r.url("/lab/explain"), `{"namespace":"/app"}`, from); status != http.StatusForbidden {
		t.Errorf("a foreign page is answered with %d", status)
	}
	plain := serve(t, server.Config{Namespaces: cfg.Namespaces})
	if status, _ := requestWith(t, http.MethodPost, plain.url("/lab/explain"), `{"namespace":"/app"}`, from); status != http.StatusNotFound {
		t.Errorf("without dev mode: %d", status)
	}
}
