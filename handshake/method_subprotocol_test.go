package handshake

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func protocolGate(t *testing.T, cfg SubprotocolConfig) *Gate {
	t.Helper()
	return newGate(t, GateConfig{Auth: AuthConfig{Methods: []string{MethodSubprotocol}}, JWT: JWTConfig{HMACSecret: secret}, Subprotocol: cfg})
}

// offer is a WebSocket request with the given Sec-WebSocket-Protocol lines.
func offer(lines ...string) *Request {
	return &Request{Namespace: "/", Transport: "websocket", Header: http.Header{"Sec-Websocket-Protocol": lines}}
}

const kubernetes = "base64url.bearer.authorization.gatehouse."

func TestReq13_KubernetesForm(t *testing.T) {
	g := protocolGate(t, SubprotocolConfig{})
	token := signHS(t, good())
	entry := kubernetes + b64(token)
	for name, c := range map[string]struct {
		lines    []string
		selected string
		want     Code
	}{
		"token and protocol":      {[]string{entry + ", chat.v1"}, "chat.v1", ""},
		"protocol first":          {[]string{"chat.v1 ,\t" + entry}, "chat.v1", ""},
		"on two lines":            {[]string{entry, "chat.v1, chat.v2"}, "chat.v1", ""},
		"alone":                   {[]string{entry}, "", CodeTokenInvalid},
		"two tokens":              {[]string{entry + "," + entry + ",chat.v1"}, "", CodeTokenInvalid},
		"padded":                  {[]string{entry + "==, chat.v1"}, "", CodeTokenInvalid},
		"standard alphabet":       {[]string{kubernetes + "+++, chat.v1"}, "", CodeTokenInvalid},
		"trailing bits":           {[]string{kubernetes + "YWJ" + ", chat.v1"}, "", CodeTokenInvalid},
		"empty token":             {[]string{kubernetes + ", chat.v1"}, "", CodeTokenInvalid},
		"not UTF-8":               {[]string{kubernetes + b64("\xff\xfe") + ", chat.v1"}, "", CodeTokenInvalid},
		"empty entry":             {[]string{entry + ",,chat.v1"}, "", CodeTokenInvalid},
		"another domain":          {[]string{"base64url.bearer.authorization.other." + b64(token) + ", chat.v1"}, "chat.v1", CodeUnauthenticated},
		"only protocols":          {[]string{"chat.v1"}, "chat.v1", CodeUnauthenticated},
		"too many":                {[]string{entry + strings.Repeat(",p", 16)}, "", CodeTokenInvalid},
		"companion is token-like": {[]string{entry + "," + token}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Check(t.Context(), offer(c.lines...))
			wantCode(t, err, c.want, token, entry)
			selected, err := g.SelectSubprotocol(c.lines)
			if selected != c.selected || (selected == "") != (err != nil) {
				t.Fatalf("selected %q (%v), want %q", selected, err, c.selected)
			}
			if err != nil {
				wantCode(t, err, CodeTokenInvalid, token, entry)
			}
		})
	}
}

func TestReq13_PollingHasNoProtocols(t *testing.T) {
	r := offer(kubernetes + b64(signHS(t, good())) + ", chat.v1")
	r.Transport = "polling"
	_, err := protocolGate(t, SubprotocolConfig{}).Check(t.Context(), r)
	wantCode(t, err, CodeUnauthenticated)
}

func TestReq14_AppSyncForm(t *testing.T) {
	g := protocolGate(t, SubprotocolConfig{})
	token := signHS(t, good())
	for header, want := range map[string]Code{
		`{"Authorization":"` + token + `"}`:                        "",
		`{"Authorization":"Bearer ` + token + `","host":"x.test"}`: "",
		`{"Authorization":""}`:                                     CodeTokenInvalid,
		`{"host":"x.test"}`:                                        CodeTokenInvalid,
		`["` + token + `"]`:                                        CodeTokenInvalid,
		token:                                                      CodeTokenInvalid,
	} {
		lines := []string{"graphql-ws, header-" + b64(header)}
		_, err := g.Check(t.Context(), offer(lines...))
		wantCode(t, err, want, token)
		if selected, err := g.SelectSubprotocol(lines); want == "" && (selected != "graphql-ws" || err != nil) {
			t.Fatalf("selected %q (%v)", selected, err)
		}
	}
	_, err := g.Check(t.Context(), offer("header-"+b64(`{"Authorization":"`+token+`"}`)))
	wantCode(t, err, CodeTokenInvalid, token)
}

func TestReq15_PlainPair(t *testing.T) {
	g := protocolGate(t, SubprotocolConfig{Forms: []string{"plain"}, Plain: "access_token"})
	token := signHS(t, good())
	for name, c := range map[string]struct {
		line, selected string
		want           Code
	}{
		"the pair":             {"access_token, " + token, "access_token", ""},
		"the other way around": {token + ", access_token", "access_token", CodeUnauthenticated},
		"three":                {"access_token, " + token + ", x", "access_token", CodeUnauthenticated},
		"another protocol":     {"other, " + token, "other", CodeUnauthenticated},
		"the token alone":      {token, "", CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Check(t.Context(), offer(c.line))
			wantCode(t, err, c.want, token)
			selected, err := g.SelectSubprotocol([]string{c.line})
			if selected != c.selected || (selected == "") != (err != nil) {
				t.Fatalf("selected %q (%v), want %q", selected, err, c.selected)
			}
		})
	}
}

func TestReq15_TheAnswerIsOneThatWasOffered(t *testing.T) {
	g := protocolGate(t, SubprotocolConfig{Supported: []string{"chat.v2", "chat.v3"}})
	for line, want := range map[string]string{
		"chat.v1, chat.v3, chat.v2": "chat.v3", "chat.v1": "", "CHAT.V2": "",
	} {
		if selected, err := g.SelectSubprotocol([]string{line}); selected != want || (want == "") != (err != nil) {
			t.Errorf("%q: selected %q (%v), want %q", line, selected, err, want)
		}
	}
	if selected, err := g.SelectSubprotocol(nil); selected != "" || err != nil {
		t.Errorf("no offer: %q, %v", selected, err)
	}
}

func TestReq15_ATokenIsNeverEchoed(t *testing.T) {
	token := signHS(t, good())
	off := hmacGate(t) // the method is not even on
	for _, line := range []string{token, kubernetes + b64(token), "header-" + b64(`{"Authorization":"x"}`), strings.Repeat("x", 65), "base64url.bearer.authorization.k8s.io." + b64("x")} {
		if selected, err := off.SelectSubprotocol([]string{line}); selected != "" || err == nil {
			t.Errorf("selected %q", selected)
		}
	}
}

func TestSubprotocolConfigurationIsChecked(t *testing.T) {
	for want, cfg := range map[string]SubprotocolConfig{
		`subprotocol.forms: "jwt" is no form`:    {Forms: []string{"jwt"}},
		`subprotocol.plain: "" is no protocol`:   {Forms: []string{"plain"}},
		`subprotocol.prefix, subprotocol.domain`: {Domain: "a b"},
	} {
		_, err := NewGate(GateConfig{JWT: JWTConfig{HMACSecret: secret}, Subprotocol: cfg})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzSubprotocols(f *testing.F) {
	s, err := newSubprotocols(SubprotocolConfig{Forms: []string{"kubernetes", "appsync", "plain"}, Plain: "p"}.withDefaults())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"a, b", kubernetes + "YWJj, x", "header-e30, x", "p, tok", ",", "a\tb", kubernetes + "YW\nJj,x"} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		token, others, err := s.read([]string{one, two})
		if err != nil {
			return
		}
		if token != "" && len(others) == 0 {
			t.Fatal("a token without a companion")
		}
		if selected, err := s.choose(others); err == nil && (!strings.Contains(one+","+two, selected) || s.marked(selected) || token != "" && selected == token.Reveal()) {
			t.Fatalf("selected %q", selected)
		}
	})
}
