package handshake

import (
	"net/http"
	"net/netip"
	"testing"
)

// Field fault 7: origins are compared in canonical form, on both sides.
func TestField07_OriginsAreCanonicalOnBothSides(t *testing.T) {
	for name, c := range map[string]struct {
		allow  []string
		origin string
		host   string
		secure bool
		want   bool
	}{
		"ws is http":                   {nil, "ws://chat.example", "chat.example", false, true},
		"wss is https":                 {nil, "wss://chat.example", "chat.example", true, true},
		"ws is not https":              {nil, "ws://chat.example", "chat.example", true, false},
		"a default port":               {nil, "https://chat.example:443", "chat.example", true, true},
		"a default port of Host":       {nil, "https://chat.example", "chat.example:443", true, true},
		"another port":                 {nil, "https://chat.example:8443", "chat.example", true, false},
		"http on 443":                  {nil, "http://chat.example:443", "chat.example", true, false},
		"case of a listed one":         {[]string{"https://App.Example"}, "HTTPS://aPP.example", "x", true, true},
		"a listed port":                {[]string{"https://app.example:443"}, "https://app.example", "x", true, true},
		"wss of a listed one":          {[]string{"https://app.example"}, "wss://app.example:443", "x", true, true},
		"a listed wss":                 {[]string{"wss://app.example"}, "https://app.example", "x", true, true},
		"IDN listed":                   {[]string{"https://bücher.example"}, "https://xn--bcher-kva.example", "x", true, true},
		"IDN sent":                     {[]string{"https://xn--bcher-kva.example"}, "https://bücher.example", "x", true, true},
		"IPv6":                         {nil, "http://[::1]:3000", "[::1]:3000", false, true},
		"IPv6 with its default port":   {nil, "http://[::1]:80", "[::1]", false, true},
		"with a path":                  {[]string{"https://app.example"}, "https://app.example/", "x", true, false},
		"with a user":                  {[]string{"https://app.example"}, "https://app.example@evil.example", "x", true, false},
		"another host":                 {[]string{"https://app.example"}, "https://app.example.evil.example", "x", true, false},
		"an extension":                 {[]string{"chrome-extension://*"}, "chrome-extension://abcdefghijklmnopabcdefghijklmnop", "x", true, true},
		"a Firefox extension":          {[]string{"moz-extension://*"}, "moz-extension://7d8e9b1c-0000-4000-8000-123456789abc", "x", true, true},
		"an extension of another kind": {[]string{"moz-extension://*"}, "chrome-extension://abc", "x", true, false},
		"one extension only":           {[]string{"chrome-extension://abc"}, "chrome-extension://abcd", "x", true, false},
		"null is not listed":           {nil, "null", "x", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newOriginPolicy(OriginConfig{Allow: c.allow})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Allowed(c.origin, c.host, c.secure); got != c.want {
				t.Errorf("%q at %q: %v", c.origin, c.host, got)
			}
		})
	}
	for _, entry := range []string{"https://*", "*://app.example", "http://*", "chrome-extension://*.x", "file://*"} {
		if _, err := newOriginPolicy(OriginConfig{Allow: []string{entry}}); err == nil {
			t.Errorf("%q is taken", entry)
		}
	}
}

// Attack W11: a page that has made its name point here is not this server's own.
func TestAttackW11_SelfIsOneOfTheOwnNames(t *testing.T) {
	for name, c := range map[string]struct {
		cfg          OriginConfig
		origin, host string
		want         bool
	}{
		"an own name":                   {OriginConfig{Names: []string{"chat.example"}}, "https://chat.example", "chat.example", true},
		"an own name with a port":       {OriginConfig{Names: []string{"chat.example:8443"}}, "https://chat.example:8443", "chat.example:8443", true},
		"a name at any port":            {OriginConfig{Names: []string{"chat.example"}}, "https://chat.example:8443", "chat.example:8443", true},
		"another port than the named":   {OriginConfig{Names: []string{"chat.example:8443"}}, "https://chat.example", "chat.example", false},
		"a rebound name":                {OriginConfig{Names: []string{"chat.example"}}, "https://evil.example", "evil.example", false},
		"development, localhost":        {OriginConfig{LoopbackOnly: true}, "https://localhost:3000", "localhost:3000", true},
		"development, an address":       {OriginConfig{LoopbackOnly: true}, "https://192.0.2.7:3000", "192.0.2.7:3000", true},
		"development, a rebound name":   {OriginConfig{LoopbackOnly: true}, "https://evil.example:3000", "evil.example:3000", false},
		"development, a name of ours":   {OriginConfig{LoopbackOnly: true, Names: []string{"dev.example"}}, "https://dev.example", "dev.example", true},
		"development, a local name":     {OriginConfig{LoopbackOnly: true}, "https://app.localhost:3000", "app.localhost:3000", true},
		"development, a name like that": {OriginConfig{LoopbackOnly: true}, "https://localhost.evil.example", "localhost.evil.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newOriginPolicy(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Allowed(c.origin, c.host, true); got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
	for _, name := range []string{"", "https://chat.example", "chat.example/", "*.example"} {
		if _, err := newOriginPolicy(OriginConfig{Names: []string{name}}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

// Field fault 6: the words of the proxies of the field for TLS are understood.
func TestField06_ProxiesSayWssOnUpgrades(t *testing.T) {
	proxy := netip.MustParseAddr("10.0.0.1")
	proxies := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	for value, want := range map[string]bool{
		"https": true, "wss": true, "HTTPS": true, "WSS": true, "https, wss": true,
		"http": false, "ws": false, "https,http": false, "wss, ws": false, "": false, "on": false,
	} {
		if got := Secure(proxy, http.Header{"X-Forwarded-Proto": {value}}, false, proxies); got != want {
			t.Errorf("%q is TLS: %v", value, got)
		}
	}
}
