package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// everyWay is a server on which every method is open.
func everyWay(t *testing.T, a *authority) server.Config {
	t.Helper()
	cfg := withProtocols()
	cfg.Auth.Methods = []string{"token", "ticket", "bearer", "subprotocol", "cookie", "basic", "certificate", "proxy_header", "query_token"}
	cfg.Cookie = handshake.CookieConfig{CSRFSecret: csrfSecret}
	cfg.Origins.Allow = []string{"self", "https://app.example"}
	cfg.Basic.Users = []handshake.BasicUser{{Name: "ada", Hash: handshake.Secret(wiretest.PasswordHash("open sesame"))}}
	cfg.TrustedProxies = []string{"127.0.0.1"}
	cfg.TLS = a.tls("request")
	cfg.Admin = server.Admin{Addr: "127.0.0.1:0", Key: adminKey}
	cfg.Handshake = server.Handshake{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: time.Minute, AdmitTimeout: time.Minute}} // hashing passwords may take long on a busy machine
	return cfg
}

// All methods are used, rightly and wrongly, at the debug level: no secret of a
// client or an operator gets into anything that the server tells others
// (security requirements 7 and 21).
func TestReq07_21_NoSecretIsEverShown(t *testing.T) {
	a := newAuthority(t, "ours")
	a.serverCertificate("one")
	cfg := everyWay(t, a)
	var secrets []string
	secretly := func(text string) string {
		secrets = append(secrets, text)
		return text
	}
	for _, s := range []string{adminKey, secret, csrfSecret, cfg.Basic.Users[0].Hash.Reveal(), "open sesame", "a wrong password"} {
		secretly(s)
	}
	r := serve(t, cfg, who("/who")...)
	good, bad := secretly(token(t, "ada")), secretly("eyJhbGciOiJIUzI1NiJ9.bm90IGEgdG9rZW4.AAAA")
	basic := func(password string) http.Header {
		return page("", "X-Forwarded-Proto", "https", "Authorization", "Basic "+secretly(base64.StdEncoding.EncodeToString([]byte("ada:"+password))))
	}
	cookie := func(value string) http.Header { return page("https://app.example", "Cookie", "__Host-session="+value) }
	certificate := a.client(a.clientCertificate("spiffe://ours.example/7"))
	visits := map[string]struct {
		way  way
		auth string
	}{
		"token":             {way{}, `{"token":"` + good + `"}`},
		"bad token":         {way{}, `{"token":"` + bad + `"}`},
		"bad ticket":        {way{}, `{"ticket":"` + secretly(strings.Repeat("Q", 43)) + `"}`},
		"bad query ticket":  {way{query: url.Values{"ticket": {secretly(strings.Repeat("R", 43))}}}, ``},
		"bearer":            {way{header: page("", "Authorization", "Bearer "+good)}, ``},
		"bad bearer":        {way{header: page("", "Authorization", "Bearer "+bad)}, ``},
		"query token":       {way{query: url.Values{"token": {good}}}, ``},
		"bad query token":   {way{query: url.Values{"token": {bad}}}, ``},
		"basic":             {way{header: basic("open sesame")}, ``},
		"wrong basic":       {way{header: basic("a wrong password")}, ``},
		"cookie, no csrf":   {way{header: cookie(good)}, ``},
		"bad cookie":        {way{header: cookie(bad)}, `{"csrf":"` + secretly("not-a-csrf-token") + `"}`},
		"certificate":       {way{tls: certificate}, ``},
		"proxy header":      {way{header: page("", "X-Authenticated-User", "ada")}, ``},
		"payload of nobody": {way{}, `{"passphrase":"` + secretly("correct horse battery") + `"}`},
	}
	for _, transport := range wiretest.Transports {
		for name, v := range visits {
			if v.way.tls == nil {
				v.way.tls = a.client()
			}
			v.way.transport = transport
			c := come(t, r.addr, v.way)
			secretly(c.session())
			if reply := sendConnect(c, "/who", v.auth); (reply == "in") == (strings.Contains(name, "bad") || strings.Contains(name, "no csrf") || strings.Contains(name, "wrong") || strings.Contains(name, "nobody")) {
				t.Errorf("%s over %s: %s", name, transport, reply)
			}
			c.close()
		}
	}
	for _, offer := range [][]string{{kubernetes + base64url(good), "p"}, {kubernetes + base64url(bad), "p"}, {"p", "header-" + base64url(`{"Authorization":"`+good+`"}`)}, {"chat.v1", good}} {
		w := offering(offer...)
		w.tls = a.client()
		c := come(t, r.addr, w)
		r.seen.Write([]byte(c.ws.Protocol))
		secretly(c.session())
		sendConnect(c, "/who", "")
		secretly(base64url(good))
	}
	r.mistakes(a, good, bad, secretly)
	r.watched()
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	shown := r.log.String() + r.seen.String() + fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg)
	for _, s := range secrets {
		if s != "" && strings.Contains(shown, s) {
			at := strings.Index(shown, s)
			t.Errorf("%q is shown: …%s…", s, shown[max(0, at-200):min(len(shown), at+len(s)+50)])
		}
	}
	if !strings.Contains(shown, `"level":"debug"`) || !strings.Contains(shown, "gatehouse_sockets") || !strings.Contains(shown, "token_invalid") {
		t.Error("the test did not see what it looks into")
	}
}

// mistakes sends requests that are refused with HTTP.
func (r *running) mistakes(a *authority, good, bad string, secretly func(string) string) {
	secure := way{transport: "polling", tls: a.client()}
	p := come(r.t, r.addr, secure)
	secretly(p.session())
	for _, h := range []http.Header{
		page("", "Authorization", "Bearer "+bad), page("https://evil.example", "Authorization", "Bearer "+good),
		page("", "Authorization", "Basic "+secretly(base64.StdEncoding.EncodeToString([]byte("ada:guess number one")))),
		page("https://app.example", "Cookie", "__Host-session="+bad, "X-CSRF-Token", secretly("a-made-up-csrf-token")),
	} {
		for _, body := range []string{"40/who,", `40/who,{"token":"` + bad + `"`, "4x" + bad} {
			_, text := p.do(http.MethodPost, body, h)
			r.seen.Write([]byte(text))
		}
		_, err := way{tls: secure.tls, header: h}.openWebSocket(r.t, r.addr, p.session())
		_, _ = fmt.Fprint(&r.seen, err)
		for _, path := range []string{"/auth/tickets?token=" + bad, "/auth/csrf?token=" + bad, "/api/v1/stats?key=" + adminKey, "/nowhere?ticket=" + bad} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				req, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.addr+path, strings.NewReader(`{"token":"`+bad+`"}`))
				if err != nil {
					r.t.Fatal(err)
				}
				req.Header = h.Clone()
				req.Header.Set("Content-Type", "application/json")
				resp, err := p.poll.HTTP.Do(req)
				if err != nil {
					r.t.Fatal(err)
				}
				_ = resp.Header.Write(&r.seen)
				_ = resp.Body.Close()
			}
		}
	}
}

// watched reads everything that operators can see.
func (r *running) watched() {
	for _, path := range append(operatorPaths, "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline") {
		_, text := ask(r.t, "http://"+r.adminAddr()+path, operator, "")
		r.seen.Write([]byte(text))
		_, text = ask(r.t, "http://"+r.adminAddr()+path, page("", "Authorization", "Bearer "+adminKey+"x"), "")
		r.seen.Write([]byte(text))
	}
}
