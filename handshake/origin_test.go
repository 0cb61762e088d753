package handshake

import (
	"net/http"
	"testing"
)

func TestReq01_OriginsAreComparedExactly(t *testing.T) {
	for name, c := range map[string]struct {
		cfg     OriginConfig
		allowed []string
		refused []string
	}{
		"default is the own host": {OriginConfig{},
			[]string{"", "https://chat.example"},
			[]string{"http://chat.example", "https://chat.example:8443", "https://chat.example.evil.example", "https://evil.example", "null", "file://", "capacitor://localhost", "http://localhost:3000", "https://evilchat.example", "chat.example", "https://chat.example/"}},
		"listed only": {OriginConfig{Allow: []string{"https://app.example", "http://dev.example:8080", "HTTPS://Big.Example:443/"}},
			[]string{"", "https://app.example", "http://dev.example:8080", "https://big.example"},
			[]string{"https://chat.example", "http://app.example", "https://app.example:444", "http://dev.example", "https://sub.app.example", "https://app.example.evil.example"}},
		"listed and self": {OriginConfig{Allow: []string{"self", "https://app.example"}},
			[]string{"https://chat.example", "https://app.example"}, []string{"http://chat.example"}},
		"apps by name": {OriginConfig{Allow: []string{"null", "file://", "capacitor://localhost"}},
			[]string{"null", "file://", "capacitor://localhost"}, []string{"capacitor://evil", "https://chat.example"}},
		"development": {OriginConfig{AllowLocalhost: true},
			[]string{"http://localhost:5173", "https://localhost", "http://127.0.0.1:80", "http://[::1]:3000", "https://chat.example"},
			[]string{"http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://a@localhost", "ftp://localhost", "http://localhost:3000/x", "http://127.0.0.2", "null"}},
		"anything": {OriginConfig{InsecureAllowAny: true}, []string{"https://evil.example", "null"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newOriginPolicy(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, origin := range c.allowed {
				if !p.Allowed(origin, "Chat.Example:443", true) {
					t.Errorf("%q is refused", origin)
				}
			}
			for _, origin := range c.refused {
				if p.Allowed(origin, "Chat.Example:443", true) {
					t.Errorf("%q is allowed", origin)
				}
			}
		})
	}
}

func TestReq01_BadEntriesAreRefusedAtStart(t *testing.T) {
	for _, entry := range []string{"*", "https://*.example", "app.example", "https://app.example/path", "https://u@app.example", "", "https://"} {
		if _, err := newOriginPolicy(OriginConfig{Allow: []string{entry}}); err == nil {
			t.Errorf("%q is accepted", entry)
		}
	}
}

func TestReq01_TheGateRefusesForeignOrigins(t *testing.T) {
	g := hmacGate(t)
	r := auth(signHS(t, good()))
	r.Host, r.Secure = "chat.example", true
	for _, c := range []struct {
		origins []string
		want    Code
	}{
		{nil, ""}, {[]string{"https://chat.example"}, ""}, {[]string{"https://evil.example"}, CodeOriginForbidden},
		{[]string{"https://chat.example", "https://evil.example"}, CodeOriginForbidden}, {[]string{"null"}, CodeOriginForbidden},
	} {
		r.Header = http.Header{"Origin": c.origins}
		_, err := g.Check(t.Context(), r)
		wantCode(t, err, c.want)
		if got := g.Origins().AllowedHTTP(&http.Request{Host: r.Host, Header: r.Header}, true); got != (c.want == "") {
			t.Errorf("AllowedHTTP(%v) is %v", c.origins, got)
		}
	}
	r.Header, r.Origin = http.Header{}, "https://evil.example" // of the POST that carried CONNECT
	_, err := g.Check(t.Context(), r)
	wantCode(t, err, CodeOriginForbidden)
}

func TestReq02_CrossSiteRequestsNeedAListedOrigin(t *testing.T) {
	p, err := newOriginPolicy(OriginConfig{Allow: []string{"self", "https://app.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		origin, site string
		want         bool
	}{
		{"", "", true}, {"", "same-origin", true}, {"", "none", true}, {"", "cross-site", false},
		{"https://app.example", "cross-site", true}, {"https://evil.example", "cross-site", false},
	} {
		h := http.Header{"Sec-Fetch-Site": {c.site}}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		if got := p.AllowedHTTP(&http.Request{Host: "chat.example", Header: h}, true); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}
