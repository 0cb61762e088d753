package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPayloadIsReadStrictly(t *testing.T) {
	g := hmacGate(t)
	token := signHS(t, good())
	for payload, want := range map[string]Code{
		``:                                 CodeUnauthenticated,
		`{}`:                               CodeUnauthenticated,
		`null`:                             CodeUnauthenticated,
		`[]`:                               CodeUnauthenticated,
		`"` + token + `"`:                  CodeUnauthenticated,
		`{"token":`:                        CodeUnauthenticated,
		`{"token":"` + token + `"} x`:      CodeUnauthenticated,
		`{"locale":"en"}`:                  CodeUnauthenticated,
		`{"token":null}`:                   CodeUnauthenticated,
		`{"token":""}`:                     CodeUnauthenticated,
		`{"token":7}`:                      CodeTokenInvalid,
		`{"token":["` + token + `"]}`:      CodeTokenInvalid,
		`{"Token":"` + token + `"}`:        CodeUnauthenticated,
		`{"token":"` + token + `"}`:        "",
		`{"token":"` + token + `","x":{}}`: "",
	} {
		t.Run(payload, func(t *testing.T) {
			_, err := g.Check(t.Context(), &Request{Namespace: "/", Auth: json.RawMessage(payload)})
			wantCode(t, err, want, token)
		})
	}
}

func TestReq07_PayloadHasItsOwnSizeLimit(t *testing.T) {
	g := newGate(t, GateConfig{Auth: AuthConfig{MaxPayload: 512}, JWT: JWTConfig{HMACSecret: secret}})
	r := auth(signHS(t, good()))
	_, err := g.Check(t.Context(), r)
	wantCode(t, err, "")
	r.Auth = append(r.Auth[:len(r.Auth)-1], `,"x":"`+strings.Repeat("x", 512)+`"}`...)
	_, err = g.Check(t.Context(), r)
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq08_RecoveryFieldsAreNoCredentials(t *testing.T) {
	var seen *Request
	spy := VerifierFunc(func(_ context.Context, cred Credential) (Identity, error) {
		seen = cred.Request
		return Identity{}, ErrNotMine
	})
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Verifiers: []Verifier{spy}}})
	r := &Request{
		Namespace: "/", Auth: json.RawMessage(`{"pid":"p","offset":"o"}`),
		Header: http.Header{"Authorization": {"Bearer " + signHS(t, good())}},
	}
	_, err := g.Check(t.Context(), r)
	wantCode(t, err, "") // nothing but recovery in the payload: the header decides
	if _, ok := seen.Field("pid"); ok || seen.Auth != nil {
		t.Fatal("a verifier saw the recovery fields")
	}
	if r.Auth == nil || r.fields != nil {
		t.Fatal("the gate changed the caller's request")
	}
}

func TestPayloadDecidesWithoutFallingBack(t *testing.T) {
	g := hmacGate(t)
	token := signHS(t, good())
	bearer := http.Header{"Authorization": {"Bearer " + token}}
	for payload, want := range map[string]Code{
		``:                     "",
		`{}`:                   "",
		`{"token":"bad"}`:      CodeTokenInvalid,
		`{"token":null}`:       CodeUnauthenticated,
		`{"something":"else"}`: CodeUnauthenticated,
	} {
		_, err := g.Check(t.Context(), &Request{Namespace: "/", Auth: json.RawMessage(payload), Header: bearer})
		wantCode(t, err, want, token)
	}
}

func TestBearerHeader(t *testing.T) {
	g := hmacGate(t)
	token := signHS(t, good())
	for name, c := range map[string]struct {
		lines []string
		want  Code
	}{
		"bearer":          {[]string{"Bearer " + token}, ""},
		"any case":        {[]string{"bearer  " + token}, ""},
		"another scheme":  {[]string{"Digest " + token}, CodeUnauthenticated},
		"nothing behind":  {[]string{"Bearer "}, CodeUnauthenticated},
		"two lines":       {[]string{"Bearer " + token, "Bearer " + token}, CodeUnauthenticated},
		"no token in it":  {[]string{"Bearer x"}, CodeTokenInvalid},
		"no scheme at al": {[]string{token}, CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := g.Check(t.Context(), &Request{Namespace: "/", Header: http.Header{"Authorization": c.lines}})
			wantCode(t, err, c.want, token)
			if c.want == "" && id.Method != MethodBearer {
				t.Fatalf("came in by %q", id.Method)
			}
		})
	}
}

func TestReq08_EachNamespaceHasItsOwnWays(t *testing.T) {
	g := newGate(t, GateConfig{
		Auth: AuthConfig{Methods: []string{MethodToken}, Namespaces: []NamespaceAuth{{Name: "/machines", Methods: []string{MethodBearer}}}},
		JWT:  JWTConfig{HMACSecret: secret},
	})
	token := signHS(t, good())
	r := auth(token)
	r.Namespace = "/machines"
	_, err := g.Check(t.Context(), r)
	wantCode(t, err, CodeUnauthenticated, token)
	r = &Request{Namespace: "/", Header: http.Header{"Authorization": {"Bearer " + token}}}
	_, err = g.Check(t.Context(), r)
	wantCode(t, err, CodeUnauthenticated, token)
	r.Namespace = "/machines"
	_, err = g.Check(t.Context(), r)
	wantCode(t, err, "")
}

func TestIdentityIsMappedFromClaims(t *testing.T) {
	token := signHS(t, good("name", "Ann", "scope", "chat orders", "rooms", []string{"a", "b"},
		"jti", "t1", "sid", "s1", "iss", "i", "level", 9007199254740993, "admin", true, "roles", []string{"x", "y"}))
	id, err := hmacGate(t).Check(t.Context(), auth(token))
	wantCode(t, err, "")
	if id.Name != "Ann" || id.TokenID != "t1" || id.Session != "s1" || id.Issuer != "i" || !slices.Equal(id.Rooms, []string{"a", "b"}) {
		t.Fatalf("identity is %+v", id)
	}
	if !id.IssuedAt.Equal(noon) || !id.ExpiresAt.Equal(noon.Add(time.Hour)) {
		t.Fatalf("times are %v, %v", id.IssuedAt, id.ExpiresAt)
	}
	for claim, value := range map[string]string{
		"scope": "orders", "room": "b", "level": "9007199254740993", "admin": "true", "roles": "y", "iss": "i",
	} {
		if !id.Has(claim, value) {
			t.Errorf("Has(%q, %q) is false", claim, value)
		}
	}
	if id.Has("scope", "order") || id.Has("roles", "z") || id.Has("missing", "") {
		t.Error("Has says yes to what is not there")
	}
}

func TestClaimNamesAreConfigurable(t *testing.T) {
	for name, c := range map[string]struct {
		names  ClaimNames
		claims []any
		want   Identity
	}{
		"usual scp list":   {ClaimNames{}, []any{"scp", []string{"a", "b"}}, Identity{Subject: "ann", Name: "ann", Scopes: []string{"a", "b"}}},
		"own names":        {ClaimNames{Subject: "uid", Name: "nick", Scopes: "https://x.example/roles", Rooms: "groups"}, []any{"uid", 42, "nick", "N", "https://x.example/roles", []string{"r"}, "groups", "g h"}, Identity{Subject: "42", Name: "N", Scopes: []string{"r"}, Rooms: []string{"g", "h"}}},
		"a path with dots": {ClaimNames{Scopes: "realm.roles"}, []any{"realm", map[string]any{"roles": []string{"r"}}, "scope", "no"}, Identity{Subject: "ann", Name: "ann", Scopes: []string{"r"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret, Claims: c.names}})
			id, err := g.Check(t.Context(), auth(signHS(t, good(c.claims...))))
			wantCode(t, err, "")
			if id.Subject != c.want.Subject || id.Name != c.want.Name || !slices.Equal(id.Scopes, c.want.Scopes) || !slices.Equal(id.Rooms, c.want.Rooms) {
				t.Fatalf("identity is %+v, want %+v", id, c.want)
			}
		})
	}
}

func TestChainEndsAtTheFirstVerdict(t *testing.T) {
	broken := errors.New("the database is away")
	for name, c := range map[string]struct {
		first error
		want  Code
	}{
		"not mine goes on":        {ErrNotMine, ""},
		"a refusal ends it":       {refuse(CodeForbidden, "No.", nil), CodeForbidden},
		"an error is unavailable": {broken, CodeUnavailable},
		"so is a deadline":        {context.DeadlineExceeded, CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			first := VerifierFunc(func(context.Context, Credential) (Identity, error) { return Identity{}, c.first })
			g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Verifiers: []Verifier{first}}})
			_, err := g.Check(t.Context(), auth(signHS(t, good())))
			wantCode(t, err, c.want)
		})
	}
}

func TestReq19_RefreshKeepsTheSubject(t *testing.T) {
	g := hmacGate(t)
	ann, err := g.Check(t.Context(), auth(signHS(t, good())))
	wantCode(t, err, "")
	later, err := g.Refresh(t.Context(), auth(signHS(t, good("exp", noon.Add(2*time.Hour).Unix()))), ann)
	wantCode(t, err, "")
	if !later.ExpiresAt.Equal(noon.Add(2 * time.Hour)) {
		t.Fatalf("expires at %v", later.ExpiresAt)
	}
	_, err = g.Refresh(t.Context(), auth(signHS(t, good("sub", "bob"))), ann)
	wantCode(t, err, CodeForbidden)
	_, err = g.Refresh(t.Context(), auth(signHS(t, good("iss", "another"))), ann)
	wantCode(t, err, CodeForbidden)
}

func TestReq21_QueryTokenIsOffByDefault(t *testing.T) {
	token := signHS(t, good())
	_, err := hmacGate(t).Check(t.Context(), &Request{Namespace: "/", Query: url.Values{"token": {token}}})
	wantCode(t, err, CodeUnauthenticated, token)
}

func TestNobodyVerifiesTokens(t *testing.T) {
	for want, methods := range map[string][]string{
		"nobody can sign in: set jwt.hmac_secret":                                     nil,
		"auth.methods: token is on, but nothing verifies tokens; set jwt.hmac_secret": {"token", "proxy_header"},
	} {
		if _, err := NewGate(GateConfig{Auth: AuthConfig{Methods: methods}}); !errors.Is(err, ErrNoVerifier) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A client without a credential learns what to bring.
func TestTheRefusalSaysWhatIsAccepted(t *testing.T) {
	for want, methods := range map[string][]string{
		`Sign in first. Accepted: auth: {"token": "…"}, or auth: {"ticket": "…"}, or a header Authorization: Bearer ….`: nil,
		"Sign in first. Accepted: a header Authorization: Bearer ….":                                                    {"bearer"},
		"Sign in first. Accepted: a token as WebSocket subprotocol, or ?token=….":                                       {"subprotocol", "query_token"},
	} {
		g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Auth: AuthConfig{Methods: methods}})
		_, err := g.Check(t.Context(), &Request{Namespace: "/"})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Message != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestConfigurationErrorsNameTheKey(t *testing.T) {
	for want, cfg := range map[string]GateConfig{
		`auth.methods: "tokn" is no method`:         {Auth: AuthConfig{Methods: []string{"tokn"}}},
		`auth.methods: names "token" twice`:         {Auth: AuthConfig{Methods: []string{"token", "token"}}},
		`auth.methods: has ticket alone`:            {Auth: AuthConfig{Methods: []string{"ticket"}}},
		`auth.namespaces[0].name: "chat" must be`:   {Auth: AuthConfig{Namespaces: []NamespaceAuth{{Name: "chat", Methods: []string{"token"}}}}},
		`auth.namespaces[0].methods: is empty`:      {Auth: AuthConfig{Namespaces: []NamespaceAuth{{Name: "/chat"}}}},
		`auth.max_payload: -1 is negative`:          {Auth: AuthConfig{MaxPayload: -1}},
		`origins.allow: "app.example" is no origin`: {Origins: OriginConfig{Allow: []string{"app.example"}}},
		`issuers[0]: has no key`:                    {Issuers: []JWTConfig{{Issuer: "x"}}},
	} {
		cfg.JWT.HMACSecret = secret
		if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestReq08_TheBestFitOfPatternsHasItsWays(t *testing.T) {
	g := newGate(t, GateConfig{
		JWT: JWTConfig{HMACSecret: "a-secret-of-the-tests-that-is-long-enough-for-every-HMAC"},
		Auth: AuthConfig{Methods: []string{MethodToken}, Namespaces: []NamespaceAuth{
			{Name: "/tenant-{org}", Methods: []string{MethodBearer}},
			{Name: "/tenant-open-{org}", Methods: []string{MethodAnonymous}},
			{Name: "/tenant-open-not", Methods: []string{MethodToken}},
		}},
	})
	for name, admitted := range map[string]bool{
		"/tenant-a": false, "/tenant-open-a": true, "/tenant-open-not": false, "/tenant-open-a/b": false, "/x": false,
	} {
		if _, err := g.Check(t.Context(), &Request{Namespace: name}); (err == nil) != admitted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewGate(GateConfig{Auth: AuthConfig{Namespaces: []NamespaceAuth{{Name: "/{x}", Methods: []string{MethodAnonymous}}}}}); err == nil ||
		!strings.Contains(err.Error(), "takes every name") {
		t.Error(err)
	}
}

// TestFieldsAreThereForAGateOfOnesOwn reads the fields of a request that no Gate
// has read.
func TestFieldsAreThereForAGateOfOnesOwn(t *testing.T) {
	r := &Request{Auth: json.RawMessage(`{"key":"k","pid":"p"}`)}
	if raw, ok := r.Field("key"); !ok || string(raw) != `"k"` {
		t.Errorf("key: %s %t", raw, ok)
	}
	for _, auth := range []string{``, `[1]`, `{"key":1,"key":2}`, `{"pid":"p"}`} {
		for _, name := range []string{"key", "pid"} {
			if raw, ok := (&Request{Auth: json.RawMessage(auth)}).Field(name); ok {
				t.Errorf("%s of %s: %s", name, auth, raw)
			}
		}
	}
}
