package handshake

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const csrfSecret = Secret("csrf-secret-csrf-secret-csrf-secret")

func cookieGate(t *testing.T, cookie CookieConfig, origins OriginConfig) *Gate {
	t.Helper()
	if !cookie.InsecureNoCSRF {
		cookie.CSRFSecret = csrfSecret
	}
	return newGate(t, GateConfig{
		Auth: AuthConfig{Methods: []string{MethodToken, MethodCookie}}, JWT: JWTConfig{HMACSecret: secret}, Cookie: cookie, Origins: origins,
	})
}

// fromPage is a WebSocket request of the server's own page with the cookie.
func fromPage(session string) *Request {
	return &Request{
		Namespace: "/", Host: "chat.example", Secure: true, Transport: "websocket",
		Header: http.Header{"Origin": {"https://chat.example"}, "Cookie": {"a=b; __Host-session=" + session}},
	}
}

func withCSRF(t *testing.T, g *Gate, r *Request) *Request {
	t.Helper()
	token, err := g.CSRFToken(r)
	wantCode(t, err, "")
	r.Auth, _ = json.Marshal(map[string]string{"csrf": token})
	return r
}

func TestReq02_ACookieCountsOnlyFromAListedOrigin(t *testing.T) {
	session := signHS(t, good())
	g := cookieGate(t, CookieConfig{InsecureNoCSRF: true}, OriginConfig{Allow: []string{"self", "https://app.example"}})
	for name, c := range map[string]struct {
		change func(*Request)
		want   Code
	}{
		"own page":                             {func(*Request) {}, ""},
		"listed page of another site":          {func(r *Request) { r.Header = cookieHeader(session, "https://app.example", "cross-site") }, ""},
		"foreign page":                         {func(r *Request) { r.Header = cookieHeader(session, "https://evil.example", "cross-site") }, CodeOriginForbidden},
		"foreign page that does not say so":    {func(r *Request) { r.Header = cookieHeader(session, "https://evil.example", "") }, CodeOriginForbidden},
		"sandboxed page":                       {func(r *Request) { r.Header = cookieHeader(session, "null", "") }, CodeOriginForbidden},
		"websocket without origin":             {func(r *Request) { r.Header.Del("Origin") }, CodeOriginForbidden},
		"websocket, only Sec-Fetch-Site":       {func(r *Request) { r.Header = cookieHeader(session, "", "same-origin") }, CodeOriginForbidden},
		"polling from the own page":            {func(r *Request) { r.Header = cookieHeader(session, "", "same-origin"); r.Transport = "polling" }, ""},
		"polling, nothing said":                {func(r *Request) { r.Header.Del("Origin"); r.Transport = "polling" }, CodeOriginForbidden},
		"polling, POST of the own page":        {func(r *Request) { r.Header.Del("Origin"); r.Transport = "polling"; r.Origin = "https://chat.example" }, ""},
		"polling, POST of a foreign page":      {func(r *Request) { r.Header.Del("Origin"); r.Transport = "polling"; r.Origin = "https://evil.example" }, CodeOriginForbidden},
		"polling, cross-site without origin":   {func(r *Request) { r.Header = cookieHeader(session, "", "cross-site"); r.Transport = "polling" }, CodeOriginForbidden},
		"polling, another host of the site":    {func(r *Request) { r.Header = cookieHeader(session, "", "same-site"); r.Transport = "polling" }, CodeOriginForbidden},
		"two cookies of the name":              {func(r *Request) { r.Header["Cookie"] = append(r.Header["Cookie"], "__Host-session=x") }, CodeUnauthenticated},
		"no cookie":                            {func(r *Request) { r.Header.Del("Cookie") }, CodeUnauthenticated},
		"a cookie that is no session any more": {func(r *Request) { r.Header.Set("Cookie", "__Host-session=x.y.z") }, CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := fromPage(session)
			c.change(r)
			_, err := g.Check(t.Context(), r)
			wantCode(t, err, c.want, session)
		})
	}
}

func cookieHeader(session, origin, site string) http.Header {
	h := http.Header{"Cookie": {"__Host-session=" + session}}
	if origin != "" {
		h.Set("Origin", origin)
	}
	if site != "" {
		h.Set("Sec-Fetch-Site", site)
	}
	return h
}

func TestReq02_CrossSiteIsRefusedUnlessListed(t *testing.T) {
	g := cookieGate(t, CookieConfig{}, OriginConfig{InsecureAllowAny: true})
	session := signHS(t, good())
	for site, want := range map[string]Code{"cross-site": CodeOriginForbidden, "": ""} {
		r := withCSRF(t, g, fromPage(session))
		r.Header = cookieHeader(session, "https://other.example", site)
		_, err := g.Check(t.Context(), r)
		wantCode(t, err, want)
	}
}

func TestReq03_ACookieNeedsItsCSRFToken(t *testing.T) {
	g := cookieGate(t, CookieConfig{}, OriginConfig{})
	session := signHS(t, good())
	id, err := g.Check(t.Context(), withCSRF(t, g, fromPage(session)))
	wantCode(t, err, "")
	if id.Subject != "ann" || id.Method != MethodCookie {
		t.Fatalf("identity is %+v", id)
	}
	other, err := g.CSRFToken(fromPage(signHS(t, good("sub", "mallory"))))
	wantCode(t, err, "")
	own, err := g.CSRFToken(fromPage(session))
	wantCode(t, err, "")
	for name, c := range map[string]struct {
		payload string
		want    Code
	}{
		"missing":                        {``, CodeForbidden},
		"empty":                          {`{"csrf":""}`, CodeForbidden},
		"no string":                      {`{"csrf":7}`, CodeForbidden},
		"of another session":             {`{"csrf":"` + other + `"}`, CodeForbidden},
		"cut":                            {`{"csrf":"` + own[:len(own)-4] + `"}`, CodeForbidden},
		"another random part":            {`{"csrf":"AAAA` + own[4:] + `"}`, CodeForbidden},
		"with a token that decides":      {`{"csrf":"` + own + `","token":"bad"}`, CodeTokenInvalid},
		"with something else in payload": {`{"csrf":"` + own + `","x":1}`, CodeUnauthenticated},
		"right":                          {`{"csrf":"` + own + `"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := fromPage(session)
			r.Auth = json.RawMessage(c.payload)
			_, err := g.Check(t.Context(), r)
			wantCode(t, err, c.want, own, session)
		})
	}
	r := fromPage(session) // a POST of the page, such as the one that asks for a ticket
	r.Header.Set("X-CSRF-Token", own)
	_, err = g.Check(t.Context(), r)
	wantCode(t, err, "")
	if again, _ := g.CSRFToken(fromPage(session)); again == own {
		t.Fatal("two tokens are the same; each needs a random part")
	}
}

func TestReq03_CSRFTokensAreForOwnPagesWithASession(t *testing.T) {
	g := cookieGate(t, CookieConfig{}, OriginConfig{})
	r := fromPage("x")
	r.Header.Set("Origin", "https://evil.example")
	_, err := g.CSRFToken(r)
	wantCode(t, err, CodeOriginForbidden)
	_, err = g.CSRFToken(&Request{})
	wantCode(t, err, CodeUnauthenticated)
}

func TestReq03_CookiesAreMadeSafe(t *testing.T) {
	line := cookieGate(t, CookieConfig{}, OriginConfig{}).NewCookie("v", noon, false).String()
	for _, part := range []string{"__Host-session=v", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(line, part) {
			t.Errorf("%q lacks %s", line, part)
		}
	}
	if strings.Contains(line, "Domain") {
		t.Errorf("%q has a domain, which __Host- forbids", line)
	}
	plain := cookieGate(t, CookieConfig{Name: "session", InsecureName: true}, OriginConfig{})
	if plain.NewCookie("v", noon, false).Secure || !plain.NewCookie("v", noon, true).Secure {
		t.Error("Secure does not follow the connection where an insecure name is allowed")
	}
	if w := strings.Join(plain.Warnings(), "\n"); !strings.Contains(w, "cookie.insecure_name") {
		t.Errorf("no warning about the name: %s", w)
	}
}

func TestReq04_OneOfOriginAndCSRFMustBeOn(t *testing.T) {
	cfg := GateConfig{
		Auth: AuthConfig{Methods: []string{MethodCookie}}, JWT: JWTConfig{HMACSecret: secret},
		Cookie: CookieConfig{InsecureNoCSRF: true}, Origins: OriginConfig{InsecureAllowAny: true},
	}
	if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), "cookie.insecure_no_csrf: with origins.insecure_allow_any") {
		t.Fatalf("starts, or says %v", err)
	}
	cfg.Auth.Methods = []string{MethodToken} // without cookies it is no danger
	if _, err := NewGate(cfg); err != nil {
		t.Fatal(err)
	}
}

func TestCookieConfigurationIsChecked(t *testing.T) {
	for want, cookie := range map[string]CookieConfig{
		`cookie.name: "sid" does not begin with __Host-`: {Name: "sid", CSRFSecret: csrfSecret},
		`cookie.csrf_secret: 5 bytes, at least 32`:       {CSRFSecret: "short"},
		`cookie.name: "__Host-a b" is no cookie name`:    {Name: "__Host-a b", CSRFSecret: csrfSecret},
	} {
		_, err := NewGate(GateConfig{Auth: AuthConfig{Methods: []string{MethodCookie}}, JWT: JWTConfig{HMACSecret: secret}, Cookie: cookie})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
