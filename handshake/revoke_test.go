package handshake

import (
	"errors"
	"testing"
	"time"
)

func TestReq20_RevocationBySubjectTokenAndSession(t *testing.T) {
	now := noon.Add(time.Minute)
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Clock: func() time.Time { return now }}})
	check := func(want Code, claims ...any) {
		t.Helper()
		_, err := g.Check(t.Context(), auth(signHS(t, good(claims...))))
		wantCode(t, err, want)
	}
	revoke := func(m Revocation) {
		t.Helper()
		if _, err := g.Revocations().Add(m); err != nil {
			t.Fatal(err)
		}
	}
	ann := signIn(t, g, "jti", "t1", "sid", "s1")
	revoke(Revocation{Kind: RevokeToken, Value: "t1"})
	check(CodeTokenInvalid, "jti", "t1")
	check("", "jti", "t2")
	wantCode(t, g.Recheck(ann), CodeTokenInvalid)

	revoke(Revocation{Kind: RevokeSession, Value: "s2"})
	check(CodeTokenInvalid, "sid", "s2")
	check("", "sid", "s3")
	check("") // no ids at all

	revoke(Revocation{Kind: RevokeSubject, Value: "ann"})
	check(CodeTokenInvalid)                       // issued before
	check(CodeTokenInvalid, "iat", nil)           // cannot show that it is newer
	check("", "sub", "bob")                       // somebody else
	check("", "iat", now.Add(time.Second).Unix()) // the next login works
	now = now.Add(31 * 24 * time.Hour)            // the revocation has lapsed
	check("", "exp", now.Add(time.Hour).Unix(), "iat", nil)
}

func TestReq20_MarksNameAnIssuerOrAny(t *testing.T) {
	v := NewRevocations(RevocationConfig{}, atNoon)
	if _, err := v.Add(Revocation{Kind: RevokeSubject, Value: "ann", Issuer: "a"}); err != nil {
		t.Fatal(err)
	}
	for issuer, want := range map[string]bool{"a": true, "b": false, "": false} {
		if _, got := v.Revoked(Identity{Subject: "ann", Issuer: issuer}); got != want {
			t.Errorf("issuer %q: revoked is %v", issuer, got)
		}
	}
}

func TestReq20_ARevokedUsersTicketIsRefused(t *testing.T) {
	g, now := ticketGate(t, TicketConfig{}, nil)
	ticket := mint(t, g, signIn(t, g), TicketBinding{})
	*now = noon.Add(time.Second)
	if _, err := g.Revocations().Add(Revocation{Kind: RevokeSubject, Value: "ann"}); err != nil {
		t.Fatal(err)
	}
	_, err := g.Check(t.Context(), withTicket(ticket, "s1", "/"))
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq20_TheListIsBoundedAndLosesNothing(t *testing.T) {
	now := noon
	v := NewRevocations(RevocationConfig{MaxRevocations: 2, Keep: time.Hour}, func() time.Time { return now })
	add := func(value string) error { _, err := v.Add(Revocation{Kind: RevokeToken, Value: value}); return err }
	if err := errors.Join(add("a"), add("b"), add("a")); err != nil {
		t.Fatal(err)
	}
	if err := add("c"); !errors.Is(err, ErrRevocationsFull) {
		t.Fatalf("got %v", err)
	}
	if len(v.All()) != 2 {
		t.Fatalf("revocations are %v", v.All())
	}
	now = noon.Add(time.Hour)
	if err := add("c"); err != nil || len(v.All()) != 1 {
		t.Fatalf("%v, revocations are %v", err, v.All())
	}
	if _, err := v.Add(Revocation{Kind: "user", Value: "ann"}); err == nil {
		t.Error("a kind that nobody knows is accepted")
	}
	if _, err := v.Add(Revocation{Kind: RevokeToken}); err == nil {
		t.Error("a revocation on nothing is accepted")
	}
}

func TestReq20_ALaterMarkExtendsTheFirst(t *testing.T) {
	v := NewRevocations(RevocationConfig{}, atNoon)
	for _, m := range []Revocation{
		{Kind: RevokeSubject, Value: "ann", At: noon, Until: noon.Add(time.Hour)},
		{Kind: RevokeSubject, Value: "ann", At: noon.Add(-time.Hour), Until: noon.Add(2 * time.Hour)},
	} {
		if _, err := v.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if m := v.All()[0]; !m.At.Equal(noon) || !m.Until.Equal(noon.Add(2*time.Hour)) {
		t.Fatalf("revocation is %+v", m)
	}
}
