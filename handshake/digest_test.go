package handshake

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestReq05_LaterRequestsBringTheSameCredentialsOrNone(t *testing.T) {
	g := newGate(t, GateConfig{
		Auth:   AuthConfig{Methods: []string{MethodToken, MethodBearer, MethodSubprotocol, MethodCookie}},
		Cookie: CookieConfig{CSRFSecret: csrfSecret}, JWT: JWTConfig{HMACSecret: secret},
	})
	ann, again, bob := signHS(t, good()), signHS(t, good("jti", "second")), signHS(t, good("sub", "bob"))
	bearer := func(token string) *Request {
		return &Request{Namespace: "/", Host: "chat.example", Secure: true, Header: http.Header{"Authorization": {"Bearer " + token}}}
	}
	opened := g.Digest(bearer(ann))
	identity := signIn(t, g)
	for name, c := range map[string]struct {
		later *Request
		who   *Identity
		want  Code
	}{
		"the same":                       {bearer(ann), &identity, ""},
		"none":                           {&Request{}, &identity, ""},
		"only other cookies":             {&Request{Header: http.Header{"Cookie": {"theme=dark"}}}, &identity, ""},
		"another of the same user":       {bearer(again), &identity, ""},
		"another user":                   {bearer(bob), &identity, CodeForbidden},
		"another user, nobody in yet":    {bearer(bob), nil, ""},
		"what no method reads":           {&Request{Header: http.Header{"Authorization": {"Basic YTpi"}}}, &identity, ""},
		"rubbish":                        {bearer("x.y.z"), &identity, CodeTokenInvalid},
		"rubbish, nobody in yet":         {bearer("x.y.z"), nil, CodeTokenInvalid},
		"upgrade with a protocol token":  {offer(kubernetes + b64(ann) + ", p"), &identity, ""},
		"upgrade with bob's":             {offer(kubernetes + b64(bob) + ", p"), &identity, CodeForbidden},
		"own page, session cookie":       {fromPage(ann), &identity, ""},
		"own page, bob's session cookie": {fromPage(bob), &identity, CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, g.CheckLater(t.Context(), opened, c.who, c.later), c.want, ann, again, bob)
		})
	}
}

func TestReq05_DigestTellsCredentialsApart(t *testing.T) {
	g := hmacGate(t)
	digests := make(map[[32]byte]string)
	for name, r := range map[string]*Request{
		"none":         {},
		"bearer":       {Header: http.Header{"Authorization": {"Bearer a"}}},
		"bearer b":     {Header: http.Header{"Authorization": {"Bearer b"}}},
		"two headers":  {Header: http.Header{"Authorization": {"Bearer ", "a"}}},
		"query token":  {Query: url.Values{"token": {"a"}}},
		"query ticket": {Query: url.Values{"ticket": {"a"}}},
		"cookie":       {Header: http.Header{"Cookie": {"__Host-session=a"}}},
		"protocol":     offer(kubernetes + b64("a") + ", p"),
	} {
		digest := g.Digest(r)
		if other, twice := digests[digest]; twice {
			t.Errorf("%s and %s have one digest", name, other)
		}
		digests[digest] = name
	}
	if digests[[32]byte{}] != "none" {
		t.Error("no credentials do not have the zero digest")
	}
}

func TestReq08_AnonymousIsPerNamespace(t *testing.T) {
	g := newGate(t, GateConfig{
		Auth: AuthConfig{Namespaces: []NamespaceAuth{{Name: "/public", Methods: []string{MethodToken, MethodAnonymous}}}},
		JWT:  JWTConfig{HMACSecret: secret},
	})
	_, err := g.Check(t.Context(), &Request{Namespace: "/"})
	wantCode(t, err, CodeUnauthenticated)
	one, err := g.Check(t.Context(), &Request{Namespace: "/public"})
	wantCode(t, err, "")
	two, err := g.Check(t.Context(), &Request{Namespace: "/public", Auth: []byte(`{"nick":"x"}`)})
	wantCode(t, err, "")
	if one.Subject == two.Subject || one.Method != MethodAnonymous {
		t.Fatalf("guests are %+v and %+v", one, two)
	}
	r := auth("bad")
	r.Namespace = "/public"
	_, err = g.Check(t.Context(), r) // a credential that was brought decides
	wantCode(t, err, CodeTokenInvalid)
	if _, err := NewGate(GateConfig{JWT: JWTConfig{HMACSecret: secret}, Auth: AuthConfig{Methods: []string{MethodAnonymous, MethodToken}}}); err == nil {
		t.Error("anonymous may stand before others")
	}
}

// An operator who opens everything should know it.
func TestAnonymousForAllWarns(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Auth: AuthConfig{Methods: []string{MethodToken, MethodAnonymous}}})
	if w := strings.Join(g.Warnings(), "\n"); !strings.Contains(w, "every namespace without methods of its own is open to everybody") {
		t.Errorf("warnings are %q", w)
	}
}

func TestReq21_QueryTokenWarnsWhereItIsOn(t *testing.T) {
	g := newGate(t, GateConfig{Auth: AuthConfig{Methods: []string{MethodQueryToken}}, JWT: JWTConfig{HMACSecret: secret}})
	_, err := g.Check(t.Context(), &Request{Namespace: "/", Query: url.Values{"token": {signHS(t, good())}}})
	wantCode(t, err, "")
	if len(g.Warnings()) != 1 {
		t.Fatalf("warnings are %q", g.Warnings())
	}
}
