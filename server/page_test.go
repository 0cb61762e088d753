package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/server"
)

// told is one event of a stream.
type told struct {
	event string
	data  map[string]any
}

// look opens a stream of the operators' page and returns a function that reads the next event; ""
// is the end.
func look(t *testing.T, target string, header http.Header) (next func() told, status int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
	})
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func() (one told) {
		for lines.Scan() {
			line := lines.Text()
			if name, ok := strings.CutPrefix(line, "event: "); ok {
				one.event = name
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				_ = json.Unmarshal([]byte(text), &one.data) // a list has no members
				return one
			}
		}
		return told{}
	}, resp.StatusCode
}

// until reads a stream up to an event.
func until(t *testing.T, next func() told, event string) map[string]any {
	t.Helper()
	for {
		one := next()
		if one.event == event {
			return one.data
		}
		if one.event == "" {
			t.Fatalf("the stream ends without %q", event)
		}
	}
}

func operated(t *testing.T, admin server.Admin) (r *running, base string) {
	admin.Addr = "127.0.0.1:0"
	r = serve(t, server.Config{Admin: admin}, who("/who")...)
	return r, "http://" + r.adminAddr()
}

func TestTheOperatorsPageIsTheirListenersOnly(t *testing.T) {
	r, base := operated(t, server.Admin{Key: adminKey})
	if status, _ := ask(t, base+"/admin", nil, ""); status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Errorf("the page: %d", status) // 503 while the pages have not been built
	}
	if status, _ := ask(t, base+"/", nil, ""); status != http.StatusUnauthorized {
		t.Errorf("/ without the key: %d", status)
	}
	for _, path := range []string{"/admin/api/now", "/admin/api/user?subject=ada", "/admin/api/frames?namespace=/who&socket=x"} {
		if status, _ := ask(t, base+path, nil, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without the key: %d", path, status)
		}
		if status, _ := ask(t, r.url(path), operator, ""); status != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", path, status)
		}
		for name, h := range map[string]http.Header{
			"a foreign page":      page("https://evil.example", "Authorization", "Bearer "+adminKey),
			"a page without name": page("null", "Authorization", "Bearer "+adminKey),
			"an image of a page":  page("", "Authorization", "Bearer "+adminKey, "Sec-Fetch-Site", "cross-site"),
		} {
			if status, body := ask(t, base+path, h, ""); status != http.StatusForbidden || !strings.Contains(body, "origin_forbidden") {
				t.Errorf("%s to %s: %d %.100s", path, name, status, body)
			}
		}
	}
	if status, body := ask(t, base+"/admin/api/door", nil, ""); status != http.StatusOK || !strings.Contains(body, `"key":true`) {
		t.Errorf("whether a key is needed: %d %s", status, body)
	}
	public := serve(t, server.Config{Admin: server.Admin{Key: adminKey}, Pages: true})
	for _, path := range []string{"/admin", "/admin/api/now"} {
		if status, _ := ask(t, public.url(path), operator, ""); status == http.StatusOK {
			t.Errorf("%s is on the public listener", path)
		}
	}
}

func TestThePageIsToldWhatGoesOn(t *testing.T) {
	r, base := operated(t, server.Admin{})
	c := come(t, r.addr, way{transport: "websocket"})
	sendConnect(c, "/who", `{"token":"`+token(t, "mallory")+`x"}`)
	sendConnect(c, "/who", `{"token":"`+token(t, "ada")+`"}`)
	whoami(t, c, "/who")
	_, _ = way{transport: "websocket", header: page("https://evil.example")}.open(t, r.addr)
	_, _ = r.server.Revoke(t.Context(), handshake.Revocation{Kind: handshake.RevokeSubject, Value: "eve"})

	next, status := look(t, base+"/admin/api/now", nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	now := until(t, next, "now")
	if now["connections"] != 1.0 || now["sockets"] != 1.0 || now["events"] != 1.0 || now["draining"] != false {
		t.Errorf("now: %v", now)
	}
	text, _ := json.Marshal(now["refused"])
	says(t, string(text), `{"code":"token_invalid","count":1,"namespace":"/who","where":"namespace"}`, `{"code":"origin_forbidden","count":1,"where":"connection"}`)
	lately := until(t, next, "lately")
	text, _ = json.Marshal(lately)
	says(t, string(text), `"origin":"https://evil.example"`, `"subject":"eve"`, `"address":"127.0.0.1"`)
	if strings.Contains(string(text), "eyJ") {
		t.Errorf("a token is shown: %s", text)
	}
}

func TestAUserIsLookedUpAndThatIsLogged(t *testing.T) {
	r, base := operated(t, server.Admin{})
	c := come(t, r.addr, way{transport: "websocket"})
	sendConnect(c, "/who", `{"token":"`+token(t, "ada/1 %")+`"}`)
	whoami(t, c, "/who")
	_, body := ask(t, base+"/admin/api/user?subject="+url.QueryEscape("ada/1 %"), nil, "")
	says(t, body, `"namespace":"/who"`, `"address":"127.0.0.1"`, `"user":"ada/1 %"`)
	_, body = ask(t, base+"/admin/api/user?subject=bob", nil, "")
	says(t, body, `"namespaces":[]`)
	if status, _ := ask(t, base+"/admin/api/user", nil, ""); status != http.StatusBadRequest {
		t.Errorf("without a subject: %d", status)
	}
	says(t, r.log.String(), "an operator looked up a user")
}

// socketOf is the id of the only socket of a user, as the page finds it.
func socketOf(t *testing.T, base, user string) string {
	t.Helper()
	_, body := ask(t, base+"/admin/api/user?subject="+user, nil, "")
	var found struct {
		Namespaces []struct{ Sockets []struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(body), &found); err != nil || len(found.Namespaces) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	return found.Namespaces[0].Sockets[0].ID
}

func TestFramesOfASocketAreShownMaskedAndLogged(t *testing.T) {
	r, base := operated(t, server.Admin{})
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			c := come(t, r.addr, way{transport: transport})
			sendConnect(c, "/who", `{"token":"`+token(t, transport)+`"}`)
			whoami(t, c, "/who")
			id := socketOf(t, base, transport)
			next, _ := look(t, base+"/admin/api/frames?namespace="+url.QueryEscape("/who")+"&socket="+id, nil)
			if begin := until(t, next, "begin"); begin["socket"] != id || begin["user"] != transport {
				t.Errorf("%v", begin)
			}
			c.send(`42/who,["login",{"password":"hunter22"}]`)
			if in := until(t, next, "frame"); in["direction"] != "in" || in["name"] != "login" || in["text"] != `[{"password":"•••"}]` {
				t.Errorf("%v", in)
			}
			whoami(t, c, "/who")
			if in := until(t, next, "frame"); in["direction"] != "in" || in["name"] != "whoami" {
				t.Errorf("%v", in)
			}
			if out := until(t, next, "frame"); out["direction"] != "out" || out["kind"] != "acknowledgement" {
				t.Errorf("%v", out)
			}
			c.close()
			if end := until(t, next, "end"); end["reason"] != "socket" {
				t.Errorf("%v", end)
			}
			says(t, r.log.String(), "an operator watches the frames of a socket", id)
		})
	}
	if strings.Contains(r.log.String(), "hunter22") {
		t.Error("the log has what was watched")
	}
}

func TestALookAtASocketEndsByItself(t *testing.T) {
	r, base := operated(t, server.Admin{Frames: time.Millisecond})
	c := come(t, r.addr, way{transport: "websocket"})
	sendConnect(c, "/who", `{"token":"`+token(t, "ada")+`"}`)
	whoami(t, c, "/who")
	id := socketOf(t, base, "ada")
	next, _ := look(t, base+"/admin/api/frames?namespace=/who&socket="+id, nil)
	if end := until(t, next, "end"); end["reason"] != "time" {
		t.Errorf("%v", end)
	}
	if one := next(); one.event != "" {
		t.Errorf("after the end: %v", one)
	}
	for _, q := range []string{"", "?namespace=/who", "?namespace=/who&socket=x", "?namespace=/nowhere&socket=" + id} {
		if status, _ := ask(t, base+"/admin/api/frames"+q, nil, ""); status != http.StatusNotFound {
			t.Errorf("%q: %d", q, status)
		}
	}
}

func TestPagesThatWatchDoNotHoldUpTheEnd(t *testing.T) {
	r, base := operated(t, server.Admin{})
	next, _ := look(t, base+"/admin/api/now", nil)
	until(t, next, "now")
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
}

func TestSoManyPagesMayWatch(t *testing.T) {
	_, base := operated(t, server.Admin{})
	const most = 32
	for range most {
		next, _ := look(t, base+"/admin/api/now", nil)
		until(t, next, "now")
	}
	if status, _ := ask(t, base+"/admin/api/now", nil, ""); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
}
