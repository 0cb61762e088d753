package handshake

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func bcryptOf(t *testing.T, password string, cost int) Secret {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return Secret(hash)
}

func argon2Of(password string) Secret {
	salt := []byte("saltsaltsaltsalt")
	sum := argon2.IDKey([]byte(password), salt, 1, 8<<10, 1, 32)
	b := base64.RawStdEncoding
	return Secret(fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=1$%s$%s", 8<<10, b.EncodeToString(salt), b.EncodeToString(sum)))
}

func basicGate(t *testing.T, clock func() time.Time) *Gate {
	t.Helper()
	return newGate(t, GateConfig{
		Auth: AuthConfig{Methods: []string{MethodBasic}},
		Basic: BasicConfig{
			Users: []BasicUser{
				{Name: "ann", Hash: bcryptOf(t, "pass:word", 10), Scopes: []string{"chat"}},
				{Name: "bob", Hash: argon2Of("swordfish")},
			},
			Throttle: ThrottleConfig{Free: 1, Base: time.Second},
		},
		Deps: Deps{Clock: clock},
	})
}

func basic(user, password string) *Request {
	r := (&http.Request{Header: http.Header{}})
	r.SetBasicAuth(user, password)
	return &Request{Namespace: "/", Header: r.Header, Secure: true, RemoteAddr: netip.MustParseAddr("192.0.2.1")}
}

func TestReq22_BasicIsOffByDefault(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Basic: BasicConfig{Users: []BasicUser{{Name: "bob", Hash: argon2Of("swordfish")}}}})
	_, err := g.Check(t.Context(), basic("bob", "swordfish"))
	wantCode(t, err, CodeUnauthenticated, "swordfish")
}

func TestReq22_PasswordsAreComparedWithSlowHashes(t *testing.T) {
	g := basicGate(t, atNoon)
	for _, c := range []struct {
		user, password string
		want           Code
	}{
		{"ann", "pass:word", ""}, {"bob", "swordfish", ""}, {"ann", "swordfish", CodeUnauthenticated},
		{"carl", "pass:word", CodeUnauthenticated}, {"", "pass:word", CodeUnauthenticated}, {"bob", "", CodeUnauthenticated},
	} {
		id, err := g.Check(t.Context(), basic(c.user, c.password))
		wantCode(t, err, c.want, c.password)
		if c.want == "" && (id.Subject != c.user || id.Method != MethodBasic || !id.IssuedAt.Equal(noon)) {
			t.Fatalf("identity is %+v", id)
		}
	}
	if !strings.Contains(strings.Join(g.Warnings(), "\n"), "basic") {
		t.Error("no warning")
	}
}

func TestReq22_PasswordsNeedTLS(t *testing.T) {
	r := basic("bob", "swordfish")
	r.Secure = false
	_, err := basicGate(t, atNoon).Check(t.Context(), r)
	wantCode(t, err, CodeUnauthenticated, "swordfish")
}

func TestReq22_UnknownUsersCostAHashToo(t *testing.T) {
	counted := &countingHash{}
	p, err := newPasswords(BasicConfig{}, Deps{Clock: atNoon}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	p.dummy = counted
	_, err = p.Verify(t.Context(), Credential{Kind: KindBasic, User: "nobody", Secret: "x", Request: &Request{}})
	wantCode(t, err, CodeUnauthenticated)
	if counted.n != 1 {
		t.Fatalf("%d hashes were computed for a user that does not exist", counted.n)
	}
}

type countingHash struct{ n int }

func (h *countingHash) matches(string) bool { h.n++; return true }

func TestReq22_FailuresAreThrottled(t *testing.T) {
	now := noon
	g := basicGate(t, func() time.Time { return now })
	for _, want := range []Code{CodeUnauthenticated, CodeUnauthenticated, CodeRateLimited, CodeRateLimited} {
		_, err := g.Check(t.Context(), basic("bob", "wrong"))
		wantCode(t, err, want)
	}
	_, err := g.Check(t.Context(), basic("bob", "swordfish"))
	wantCode(t, err, CodeRateLimited) // the right password tells nothing now
	elsewhere := basic("bob", "swordfish")
	elsewhere.RemoteAddr = netip.MustParseAddr("192.0.2.2")
	_, err = g.Check(t.Context(), elsewhere)
	wantCode(t, err, "") // a stranger does not lock bob out
	now = noon.Add(time.Second)
	_, err = g.Check(t.Context(), basic("bob", "swordfish"))
	wantCode(t, err, "")
}

func TestBasicConfigurationIsChecked(t *testing.T) {
	for want, users := range map[string][]BasicUser{
		"basic.users[0].hash: not a bcrypt or argon2id hash": {{Name: "a", Hash: "plain"}},
		"basic.users[0].hash: bcrypt with cost 4":            {{Name: "a", Hash: bcryptOf(t, "x", 4)}},
		"basic.users[0].hash: argon2id with m=1":             {{Name: "a", Hash: "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ"}},
		`basic.users[1].name: "a" must be a name`:            {{Name: "a", Hash: argon2Of("x")}, {Name: "a", Hash: argon2Of("y")}},
		"auth.methods: basic is on, but there are no users":  nil,
	} {
		_, err := NewGate(GateConfig{Auth: AuthConfig{Methods: []string{MethodBasic}}, Basic: BasicConfig{Users: users}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
