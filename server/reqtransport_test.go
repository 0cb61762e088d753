package server_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/handshake"
	"gatehouse/server"
)

func base64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// offering is a client that offers WebSocket protocols.
func offering(protocols ...string) way {
	return way{transport: "websocket", header: http.Header{"Sec-Websocket-Protocol": {strings.Join(protocols, ", ")}}}
}

func withProtocols() server.Config {
	return server.Config{
		Auth:        handshake.AuthConfig{Methods: []string{"token", "subprotocol"}},
		Subprotocol: handshake.SubprotocolConfig{Forms: []string{"kubernetes", "appsync", "plain"}, Plain: "chat.v1"},
	}
}

const kubernetes = "base64url.bearer.authorization.gatehouse."

func TestReq13_KubernetesForm(t *testing.T) {
	r := serve(t, withProtocols(), who("/who")...)
	ada := token(t, "ada")
	c := come(t, r.addr, offering(kubernetes+base64url(ada), "chat.v2"))
	if c.ws.Protocol != "chat.v2" {
		t.Errorf("the server answers with protocol %q", c.ws.Protocol)
	}
	if got := sendConnect(c, "/who", ""); got != "in" {
		t.Error(got)
	}
	if got := whoami(t, c, "/who"); got != `["ada by subprotocol"]` {
		t.Error(got)
	}
	for name, offer := range map[string][]string{
		"the token alone":  {kubernetes + base64url(ada)},
		"two tokens":       {kubernetes + base64url(ada), kubernetes + base64url(ada), "chat.v2"},
		"no base64url":     {kubernetes + "%%%", "chat.v2"},
		"not in UTF-8":     {kubernetes + base64.RawURLEncoding.EncodeToString([]byte{0xff, 0xfe}), "chat.v2"},
		"standard padding": {kubernetes + "YQ==", "chat.v2"},
	} {
		if _, err := offering(offer...).open(t, r.addr); err == nil {
			t.Errorf("%s: let through", name)
		}
	}
	// Polling requests have no protocols; an upgrade that offers one changes nothing.
	p := come(t, r.addr, way{transport: "polling", header: http.Header{"Sec-Websocket-Protocol": {kubernetes + base64url(ada) + ", chat.v2"}}})
	if got := sendConnect(p, "/who", ""); got != "unauthenticated" {
		t.Errorf("over polling: %s", got)
	}
}

func TestReq14_AppSyncForm(t *testing.T) {
	r := serve(t, withProtocols(), who("/who")...)
	header := func(text string) string { return "header-" + base64url(text) }
	for _, value := range []string{token(t, "ada"), "Bearer " + token(t, "ada")} {
		c := come(t, r.addr, offering("graphql-ws", header(`{"Authorization":"`+value+`"}`)))
		if got := sendConnect(c, "/who", ""); got != "in" || c.ws.Protocol != "graphql-ws" {
			t.Errorf("%s, protocol %q", got, c.ws.Protocol)
		}
	}
	for _, bad := range []string{header(`{}`), header(`[]`), "header-%%", header(`{"Authorization":""}`)} {
		if _, err := offering("graphql-ws", bad).open(t, r.addr); err == nil {
			t.Errorf("%s: let through", bad)
		}
	}
}

// Browsers close a connection whose answer selects nothing, or something else.
func TestReq15_PlainPairAndNeverAProtocolThatWasNotOffered(t *testing.T) {
	r := serve(t, withProtocols(), who("/who")...)
	c := come(t, r.addr, offering("chat.v1", token(t, "ada")))
	if got := sendConnect(c, "/who", ""); got != "in" || c.ws.Protocol != "chat.v1" {
		t.Errorf("%s, protocol %q", got, c.ws.Protocol)
	}
	for _, offer := range [][]string{{"chat.v1"}, {"a", "b"}, {"chat.v2", "chat.v1"}} {
		c := come(t, r.addr, offering(offer...))
		if c.ws.Protocol != offer[0] {
			t.Errorf("%v is answered with %q", offer, c.ws.Protocol)
		}
	}
	if c := come(t, r.addr, way{transport: "websocket"}); c.ws.Protocol != "" {
		t.Errorf("nothing is answered with %q", c.ws.Protocol)
	}
	for _, offer := range [][]string{{token(t, "ada")}, {token(t, "ada"), token(t, "bob")}} {
		if _, err := offering(offer...).open(t, r.addr); err == nil {
			t.Error("an offer of tokens only is let through")
		}
	}
}

func TestReq16_17_18_ForgedTokensOpenNothing(t *testing.T) {
	r := serve(t, server.Config{}, who("/who")...)
	good := token(t, "ada")
	parts := strings.Split(good, ".")
	head := func(text string) string { return base64url(text) + "." + parts[1] + "." }
	forged := map[string]string{
		"unsigned":               head(`{"alg":"none"}`),
		"another algorithm":      head(`{"alg":"HS512"}`) + parts[2],
		"a key set of its own":   head(`{"alg":"HS256","jku":"https://evil.example/keys"}`) + parts[2],
		"an unknown critical":    head(`{"alg":"HS256","crit":["x"],"x":1}`) + parts[2],
		"a changed claim":        parts[0] + "." + base64url(`{"sub":"root","exp":99999999999}`) + "." + parts[2],
		"no expiry":              mintRaw(t, `{"sub":"ada"}`),
		"not yet":                mintRaw(t, `{"sub":"ada","exp":99999999999,"nbf":99999999998}`),
		"more than 8192 letters": good + strings.Repeat("a", 9000),
	}
	over(t, func(t *testing.T, transport string) {
		for name, text := range forged {
			c := come(t, r.addr, way{transport: transport})
			if got := sendConnect(c, "/who", `{"token":"`+text+`"}`); got != "token_invalid" {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
}

func TestReq21_QueryTokensAreOffAndMasked(t *testing.T) {
	query := func() url.Values { return url.Values{"token": {token(t, "ada")}} }
	off := serve(t, server.Config{}, who("/who")...)
	over(t, func(t *testing.T, transport string) {
		if got := sendConnect(come(t, off.addr, way{transport: transport, query: query()}), "/who", ""); got != "unauthenticated" {
			t.Errorf("by default: %s", got)
		}
	})
	on := serve(t, server.Config{Auth: handshake.AuthConfig{Methods: []string{"token", "query_token"}}}, who("/who")...)
	over(t, func(t *testing.T, transport string) {
		q := query()
		if got := sendConnect(come(t, on.addr, way{transport: transport, query: q}), "/who", ""); got != "in" {
			t.Errorf("switched on: %s", got)
		}
		if strings.Contains(on.log.String(), q.Get("token")) {
			t.Error("the log has the token")
		}
	})
	says(t, on.log.String(), "auth.methods has query_token")
}

func TestReq24_HeadersOfProxiesCountFromTrustedProxiesOnly(t *testing.T) {
	ways := handshake.AuthConfig{Methods: []string{"proxy_header"}}
	user := page("", "X-Authenticated-User", "ada", "X-Forwarded-For", "203.0.113.7")
	for proxy, want := range map[string]string{"127.0.0.1": "in", "10.0.0.1": "unauthenticated"} {
		r := serve(t, server.Config{Auth: ways, TrustedProxies: []string{proxy}}, who("/who")...)
		if got := sendConnect(come(t, r.addr, way{transport: "websocket", header: user}), "/who", ""); got != want {
			t.Errorf("trusting %s: %s, want %s", proxy, got, want)
		}
	}
	err := startsWith(t, server.Config{Auth: ways})
	if err == nil {
		t.Fatal("it starts with proxy_header and no proxy")
	}
	says(t, err.Error(), "proxy_header", "trusted_proxies")
}
