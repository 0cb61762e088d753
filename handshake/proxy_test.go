package handshake

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestReq24_AddressComesFromTheConnectionUnlessAProxyIsTrusted(t *testing.T) {
	proxies, err := ParseTrustedProxies([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		peer string
		xff  []string
		want string
	}{
		"no proxy":                      {"203.0.113.5", nil, "203.0.113.5"},
		"a stranger's header":           {"203.0.113.5", []string{"1.2.3.4"}, "203.0.113.5"},
		"one proxy":                     {"10.1.1.1", []string{"198.51.100.9"}, "198.51.100.9"},
		"made up on the left":           {"10.1.1.1", []string{"1.2.3.4, 198.51.100.9"}, "198.51.100.9"},
		"two proxies":                   {"10.1.1.1", []string{"1.2.3.4, 198.51.100.9, 192.0.2.7"}, "198.51.100.9"},
		"several lines":                 {"10.1.1.1", []string{"198.51.100.9", "10.2.2.2"}, "198.51.100.9"},
		"with port":                     {"10.1.1.1", []string{"198.51.100.9:1234"}, "198.51.100.9"},
		"v6 in brackets":                {"fd00::1", []string{"[2001:db8::5]:99"}, "2001:db8::5"},
		"mapped":                        {"::ffff:10.1.1.1", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		"cannot be read":                {"10.1.1.1", []string{"1.2.3.4, unknown"}, "10.1.1.1"},
		"behind the unreadable":         {"10.1.1.1", []string{"unknown, 10.3.3.3"}, "10.3.3.3"},
		"proxy's own request":           {"10.1.1.1", nil, "10.1.1.1"},
		"all trusted":                   {"10.1.1.1", []string{"10.9.9.9, 10.8.8.8"}, "10.9.9.9"},
		"neighbour of a single address": {"192.0.2.8", []string{"1.2.3.4"}, "192.0.2.8"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ClientAddr(netip.MustParseAddr(c.peer), http.Header{"X-Forwarded-For": c.xff}, proxies)
			if got.String() != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestReq24_SchemeComesFromTrustedProxiesOnly(t *testing.T) {
	proxies, _ := ParseTrustedProxies([]string{"10.0.0.0/8"})
	for _, c := range []struct {
		peer string
		xfp  []string
		tls  bool
		want bool
	}{
		{"203.0.113.5", []string{"https"}, false, false},
		{"203.0.113.5", nil, true, true},
		{"10.1.1.1", []string{"https"}, false, true},
		{"10.1.1.1", []string{"HTTPS, https"}, false, true},
		{"10.1.1.1", []string{"https, http"}, false, false},
		{"10.1.1.1", nil, false, false},
	} {
		if got := Secure(netip.MustParseAddr(c.peer), http.Header{"X-Forwarded-Proto": c.xfp}, c.tls, proxies); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	if _, err := ParseTrustedProxies([]string{"everyone"}); err == nil {
		t.Error("a word is accepted as a proxy")
	}
}
