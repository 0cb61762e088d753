package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/server"
)

// adminAddr reads the operators' address from the log.
func (r *running) adminAddr() string {
	r.t.Helper()
	if !strings.Contains(r.log.String(), "adminAddr") {
		ask(r.t, r.url("/healthz"), nil, "") // answers as soon as the operators' listener is there
	}
	for line := range strings.Lines(r.log.String()) {
		var entry struct{ AdminAddr string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.AdminAddr != "" {
			return entry.AdminAddr
		}
	}
	r.t.Fatal("no operators' listener in the log")
	return ""
}

// ask makes one request to the operators' listener.
func ask(t *testing.T, url string, header http.Header, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Host, req.Close = host, true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

var operatorPaths = []string{"/api/v1/stats", "/api/v1/revocations", "/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"}

func TestOperatorsSurfacesAreOffByDefault(t *testing.T) {
	r := serve(t, server.Config{})
	for _, path := range operatorPaths {
		if _, body := ask(t, r.url(path), operator, ""); strings.Contains(body, "# TYPE gatehouse_") || strings.Contains(body, `"pending":`) || strings.Contains(body, `"revocations":`) || strings.Contains(body, "goroutine profile") {
			t.Errorf("%s: %.100s", path, body)
		}
	}
}

func TestOperatorsSurfacesOnThePublicListenerNeedTheKey(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}})
	for _, path := range operatorPaths {
		for name, h := range map[string]http.Header{
			"no key": nil, "another key": page("", "Authorization", "Bearer "+strings.Repeat("x", 36)),
			"half the key": page("", "Authorization", "Bearer "+adminKey[:20]), "basic": page("", "Authorization", "Basic "+adminKey),
		} {
			if status, body := ask(t, r.url(path), h, ""); status != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d %.100s", path, name, status, body)
			}
		}
		if status, body := ask(t, r.url(path), operator, ""); status != http.StatusOK {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
	}
	says(t, r.log.String(), "admin.key without admin.addr")
}

func TestOperatorsOwnListenerIsClosedToPages(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Addr: "127.0.0.1:0"}})
	base := "http://" + r.adminAddr()
	for _, path := range append(operatorPaths, "/healthz", "/readyz") {
		if status, body := ask(t, base+path, nil, ""); status != http.StatusOK {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
	}
	for name, c := range map[string]struct {
		header http.Header
		host   string
	}{
		"a page":                 {page("https://evil.example"), ""},
		"a page of this machine": {page("http://localhost:3000"), ""},
		"an image of a page":     {page("", "Sec-Fetch-Site", "cross-site"), ""},
		"a name turned here":     {nil, "evil.example:3001"},
	} {
		if status, _ := ask(t, base+"/api/v1/stats", c.header, c.host); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, body := ask(t, r.url("/api/v1/stats"), nil, ""); strings.Contains(body, `"pending":`) {
		t.Errorf("on the public listener: %d %s", status, body)
	}
}

func TestUnsafeOperatorsSurfacesDoNotStart(t *testing.T) {
	for _, c := range []struct {
		cfg   server.Admin
		words string
	}{
		{server.Admin{Addr: ":3001"}, "admin.key"},
		{server.Admin{Addr: "0.0.0.0:3001"}, "admin.key"},
		{server.Admin{Addr: "3001"}, "HOST:PORT"},
		{server.Admin{Addr: "127.0.0.1:99999"}, "65535"},
		{server.Admin{Addr: "127.0.0.1:3000"}, `where addr (":3000") listens`},
		{server.Admin{Key: "short"}, "32"},
	} {
		if err := startsWith(t, server.Config{Admin: c.cfg}); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	if err := startsWith(t, server.Config{Redis: server.Redis{URL: "http://user:hunter22@x"}}); err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("redis.url: %v", err)
	}
}

func TestAnOperatorsPortInUseEndsTheStart(t *testing.T) {
	first := serve(t, server.Config{Admin: server.Admin{Addr: "127.0.0.1:0"}})
	second := serve(t, server.Config{Admin: server.Admin{Addr: first.adminAddr()}})
	err := <-second.done
	second.done <- err
	if err == nil || !strings.Contains(err.Error(), "admin.addr") || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("%v", err)
	}
}

func TestRevocationsAreHeldToTheirForm(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}})
	for body, status := range map[string]int{
		`{"subject":"ada"}`: 200, `{"subject":"ada","until":"2099-01-01T00:00:00Z"}`: 200, `{"tokenId":"x","issuer":"https://id.example"}`: 200,
		`{}`: 400, `{"subject":"ada","session":"x"}`: 400, `{"user":"ada"}`: 400, `[]`: 400, `x`: 400,
		`{"subject":"ada","until":"2001-01-01T00:00:00Z"}`: 400, `{"subject":"ada","at":"2001-01-01T00:00:00Z"}`: 400,
		`{"subject":"ada","reason":"` + strings.Repeat("x", 300) + `"}`: 400,
	} {
		if got, _, answer := r.call(http.MethodPost, "/api/v1/revocations", body, operator); got != status {
			t.Errorf("%.60s: %d %v", body, got, answer)
		}
	}
	form := operator.Clone()
	form.Set("Content-Type", "text/plain")
	if got, _, _ := r.call(http.MethodPost, "/api/v1/revocations", `{"subject":"ada"}`, form); got != http.StatusUnsupportedMediaType {
		t.Errorf("as text: %d", got)
	}
	_, _, answer := r.call(http.MethodGet, "/api/v1/revocations", "", operator)
	list, _ := answer["revocations"].([]any)
	if len(list) != 2 {
		t.Errorf("the list: %v", answer)
	}
	for _, one := range list {
		revocation, _ := one.(map[string]any)
		if until, err := time.Parse(time.RFC3339, fmt.Sprint(revocation["until"])); err != nil || until.Before(time.Now()) {
			t.Errorf("%v: %v", revocation, err)
		}
	}
}

// typed matches the name of a series.
var typed = regexp.MustCompile(`(?m)^# TYPE (\S+)`)

func TestMetricsCountWhatHappened(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}}, who("/who")...)
	c := come(t, r.addr, way{transport: "websocket"})
	sendConnect(c, "/who", `{"token":"x"}`)
	sendConnect(c, "/who", `{"token":"`+token(t, "ada")+`"}`)
	whoami(t, c, "/who")
	c.send(`42/who,["nobody handles this"]`)
	whoami(t, c, "/who")
	_, _ = way{transport: "websocket", header: page("https://evil.example")}.open(t, r.addr)
	r.ticket("ada", "", nil)
	_, text := ask(t, r.url("/metrics"), operator, "")
	for _, line := range []string{
		"gatehouse_connections 1\n", "gatehouse_sockets 1\n", "gatehouse_connections_pending 0\n",
		`gatehouse_connects_refused_total{code="token_invalid",namespace="/who"} 1`,
		`gatehouse_handshakes_refused_total{code="origin_forbidden"} 1`,
		`gatehouse_sockets_opened_total{namespace="/who"} 1`,
		`gatehouse_events_total{event="whoami",namespace="/who",result="ok"} 2`,
		`gatehouse_events_total{event="",namespace="/who",result="unknown"} 1`,
		"gatehouse_tickets_minted_total 1\n", `gatehouse_outbox_cuts_total{limit="engine.outbox_age"} 0`, "# TYPE gatehouse_events_total counter", "go_goroutines ", "go_gc_cycles_total ", "process_open_fds ",
		`gatehouse_event_duration_seconds_count{namespace="/who"} 3`, "gatehouse_delivery_delay_seconds_count 1\n",
		`gatehouse_admission_duration_seconds_count{namespace="/who",result="ok"} 1`, `gatehouse_admission_duration_seconds_count{namespace="/who",result="refused"} 1`, `gatehouse_credential_check_duration_seconds_count{result="token_invalid"} 1`,
		`gatehouse_build_info{goversion="go`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in:\n%s", line, text)
		}
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); !strings.HasPrefix(line, "#") && (!ok || name == "" || value == "") {
			t.Errorf("no sample: %q", line)
		}
	}
	page, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range typed.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "go_") && !strings.HasPrefix(m[1], "process_") && !regexp.MustCompile("`"+m[1]+"[`{]").Match(page) {
			t.Errorf("docs/operating.md does not say what %s means", m[1])
		}
	}
	_, _, answer := r.call(http.MethodGet, "/api/v1/stats", "", operator)
	if answer["sockets"] != 1.0 || answer["connections"] != 1.0 || answer["draining"] != false {
		t.Errorf("stats: %v", answer)
	}
}

// The histograms of the official interface are made of these.
func TestTheAdminInterfaceIsToldOfTraffic(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	watcher := dial(t, r.addr, "websocket")
	says(t, enter(watcher, "/admin", ""), "40/admin,")
	for next := ""; !strings.Contains(next, `"server_stats"`); next = watcher.next() {
		continue
	}
	guest := dial(t, r.addr, "polling")
	guest.close()
	told := ""
	for !strings.Contains(told, `"rawDisconnection"`) {
		told += watcher.next()
	}
	says(t, told, `"rawConnection"`, `"bytesOut"`, `"packetsOut"`, `"type":"rawDisconnection","subType":"transport close"`)
}
