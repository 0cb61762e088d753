package handshake

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/sampled"
)

// Field fault 10: a user who signs in again is admitted, though the times of issue are whole
// seconds.
func TestField10_WhoSignsInAgainAfterARevocationIsIn(t *testing.T) {
	for name, c := range map[string]struct {
		iat  time.Duration // of the second sign-in, from the revocation
		want Code
	}{
		"in the same second":             {-700 * time.Millisecond, ""},
		"a second later":                 {time.Second, ""},
		"with a clock that is behind":    {-4 * time.Second, ""},
		"with a clock that is far off":   {-20 * time.Second, CodeTokenInvalid},
		"with a clock that is way ahead": {time.Hour, CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(700 * time.Millisecond)
			g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Clock: func() time.Time { return now }}})
			first := auth(signHS(t, good("iat", noon.Add(-2*time.Second).Unix(), "jti", "first")))
			id, err := g.Check(t.Context(), first)
			wantCode(t, err, "")
			revocation, err := g.Revocations().Add(Revocation{Kind: RevokeSubject, Value: "ann"})
			if err != nil || !revocation.Matches(id) {
				t.Fatalf("the revocation ends nobody: %+v, %v", revocation, err)
			}
			wantCode(t, g.Recheck(id), CodeTokenInvalid)
			_, err = g.Check(t.Context(), auth(signHS(t, good("iat", now.Add(c.iat).Unix(), "jti", "second"))))
			wantCode(t, err, c.want)
			now = now.Add(10 * time.Minute)
			_, err = g.Check(t.Context(), first) // what was shown before stays out
			wantCode(t, err, CodeTokenInvalid)
		})
	}
}

// Newcomers 2: a revocation can be lifted.
func TestNewcomers02_AMarkCanBeLifted(t *testing.T) {
	g := hmacGate(t)
	revocation := Revocation{Kind: RevokeSubject, Value: "ann"}
	if _, err := g.Revocations().Add(revocation); err != nil {
		t.Fatal(err)
	}
	_, err := g.Check(t.Context(), auth(signHS(t, good("iat", nil))))
	wantCode(t, err, CodeTokenInvalid)
	if !g.Revocations().Remove(revocation) || g.Revocations().Remove(revocation) {
		t.Error("the revocation is not lifted once")
	}
	_, err = g.Check(t.Context(), auth(signHS(t, good("iat", nil))))
	wantCode(t, err, "")
}

// Newcomers 2: a user who is locked out for a month, because tokens have no iat, is in the log.
func TestNewcomers02_AMarkThatMeetsATokenWithoutIssuedAtIsWarnedOf(t *testing.T) {
	var log bytes.Buffer
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	if _, err := g.Revocations().Add(Revocation{Kind: RevokeSubject, Value: "ann"}); err != nil {
		t.Fatal(err)
	}
	_, err := g.Check(t.Context(), auth(signHS(t, good("iat", noon.Add(-time.Hour).Unix()))))
	wantCode(t, err, CodeTokenInvalid)
	if log.Len() > 0 {
		t.Errorf("an old token: %s", &log)
	}
	for range 100 {
		_, err = g.Check(t.Context(), auth(signHS(t, good("iat", nil))))
		wantCode(t, err, CodeTokenInvalid)
	}
	if n := strings.Count(log.String(), "no time of issue (iat)"); n != sampled.First || !strings.Contains(log.String(), "subject=ann") {
		t.Errorf("%d lines: %s", n, &log)
	}
}

// Field fault 16: a few seconds between two clocks are forgiven by default.
func TestField16_AFewSecondsAreForgiven(t *testing.T) {
	g := hmacGate(t)
	for name, c := range map[string]struct {
		claims []any
		want   Code
	}{
		"starts in a second":      {[]any{"nbf", noon.Add(time.Second).Unix()}, ""},
		"starts in half a minute": {[]any{"nbf", noon.Add(30 * time.Second).Unix()}, CodeUnavailable},
		"starts in an hour":       {[]any{"nbf", noon.Add(time.Hour).Unix()}, CodeTokenInvalid},
		"ended a second ago":      {[]any{"exp", noon.Add(-time.Second).Unix()}, ""},
		"ended ten seconds ago":   {[]any{"exp", noon.Add(-10 * time.Second).Unix()}, CodeTokenExpired},
		"starts later, and ended": {[]any{"nbf", noon.Add(30 * time.Second).Unix(), "exp", noon.Add(-time.Minute).Unix()}, CodeTokenInvalid},
	} {
		id, err := g.Check(t.Context(), auth(signHS(t, good(c.claims...))))
		t.Run(name, func(t *testing.T) { wantCode(t, err, c.want) })
		if err == nil && id.Expired(noon) {
			t.Errorf("%s: let in, and over", name)
		}
		if c.want == CodeUnavailable && refusalOf(t, err).RetryAfter != 30*time.Second {
			t.Errorf("%s: try again after %v", name, refusalOf(t, err).RetryAfter)
		}
	}
	strict := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret, Leeway: -1}})
	_, err := strict.Check(t.Context(), auth(signHS(t, good("exp", noon.Unix()))))
	wantCode(t, err, CodeTokenExpired)
}
