package adminui

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

const password = "correct horse battery staple"

func guarded(t *testing.T, cfg Config) *gate {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), leastCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Username, cfg.PasswordHash = "olga", handshake.Secret(hash)
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	return newGate(cfg.withDefaults())
}

func (g *gate) try(t *testing.T, from string, c credentials) string {
	t.Helper()
	auth, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	id, err := g.Check(t.Context(), &handshake.Request{Namespace: Name, Auth: auth, RemoteAddr: netip.MustParseAddr(from)})
	var why *handshake.Refusal
	switch {
	case err == nil:
		return "in as " + id.Subject
	case errors.As(err, &why):
		return string(why.Code) + ": " + why.Message
	}
	return err.Error()
}

func TestWhoIsLetIn(t *testing.T) {
	tokens := namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
		switch string(r.Auth) {
		case `{"token":"operator"}`:
			return handshake.Identity{Subject: "oz", Scopes: []string{"admin"}}, nil
		case `{"token":"user"}`:
			return handshake.Identity{Subject: "ada", Scopes: []string{"chat"}}, nil
		}
		return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeTokenInvalid}
	})
	g := guarded(t, Config{Tokens: tokens})
	const no = "unauthenticated: invalid credentials"
	session := g.session()
	for _, c := range []struct {
		credentials
		want string
	}{
		{credentials{Username: "olga", Password: password}, "in as olga"},
		{credentials{Username: "olga", Password: password + "x"}, no},
		{credentials{Username: "Olga", Password: password}, no},
		{credentials{Username: "olga"}, no},
		{credentials{}, no},
		{credentials{SessionID: session}, "in as olga"},
		{credentials{SessionID: session[1:]}, no},
		{credentials{SessionID: "A" + session[1:]}, map[bool]string{true: "in as olga", false: no}[session[0] == 'A']},
		{credentials{Token: "operator"}, "in as oz"},
		{credentials{Username: "token", Password: "operator"}, "in as oz"},
		{credentials{Token: "user"}, "forbidden: The token has not the scope admin."},
		{credentials{Token: "made up"}, "token_invalid: "},
	} {
		if got := g.try(t, "203.0.113.7", c.credentials); got != c.want {
			t.Errorf("%+v: %s, want %s", c.credentials, got, c.want)
		}
	}
	g.clock = func() time.Time { return time.Now().Add(2 * sessionLife) }
	if got := g.try(t, "203.0.113.7", credentials{SessionID: session}); got != no {
		t.Errorf("a day later the session is %s", got)
	}
	if other := guarded(t, Config{}); other.knows(session) {
		t.Error("with another password the session still holds")
	}
}

func TestPasswordsAreNotTriedForLong(t *testing.T) {
	g := guarded(t, Config{})
	now := time.Now()
	g.clock = func() time.Time { return now }
	for range triesAMinute - 1 {
		g.tries.Take(handshake.AddressKey(netip.MustParseAddr("203.0.113.7")))
	}
	g.try(t, "203.0.113.7", credentials{Username: "olga", Password: "guess"})
	const wait = "rate_limited: Too many passwords were tried from your address; wait a moment."
	if got := g.try(t, "203.0.113.7", credentials{Username: "olga", Password: password}); got != wait {
		t.Errorf("after many guesses: %s", got)
	}
	if got := g.try(t, "203.0.113.8", credentials{Username: "olga", Password: password}); got != "in as olga" {
		t.Errorf("from elsewhere: %s", got)
	}
}

func TestAHashThatIsNoneIsRefused(t *testing.T) {
	weak, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{password, string(weak)} {
		if err := (Config{PasswordHash: handshake.Secret(hash)}).Check(); err == nil {
			t.Errorf("%.4s… is taken", hash)
		}
	}
}
