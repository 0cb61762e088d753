// Package doctor looks at a running server from outside, as a client would: over
// long-polling, WebSocket and the upgrade, through whatever proxy stands in
// front. It reports what is wrong and what to change, and leaves nothing behind.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Verdict is what a check found.
type Verdict string

// The verdicts. Only Fail means that clients cannot work as they should.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// Finding is the result of one check.
type Finding struct {
	Check   string   `json:"check"`
	Verdict Verdict  `json:"verdict"`
	Said    string   `json:"said"`         // what was seen
	Do      []string `json:"do,omitempty"` // what to change, and where; one line for each proxy
}

// Config says where to look. URL alone is enough.
type Config struct {
	URL       string // address of the server for clients, such as https://rt.example.com
	Namespace string // that Token is for; empty is /
	Token     string // token of a user; without it no namespace is entered
	Quick     bool   // do not wait for a heartbeat, which takes as long as the server's ping interval
	TLS       *tls.Config
	Clock     func() time.Time // nil is time.Now
}

// patience is how long anything but a heartbeat may take.
const patience = 15 * time.Second

// visit is one look at a server.
type visit struct {
	cfg    Config
	base   *url.URL // with the path of the endpoint
	client *http.Client
	report func(Finding)

	open  open          // of the first session
	ahead time.Duration // of the server's clock
}

// open is the open packet of a session.
type open struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"` // ms
	PingTimeout  int      `json:"pingTimeout"`  // ms
	MaxPayload   int      `json:"maxPayload"`   // bytes
}

// Look makes all checks, one after the other, and hands each result to report.
// It fails for an invalid URL only; faults of the server are findings.
func Look(ctx context.Context, cfg Config, report func(Finding)) error {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("%q is not an address such as https://rt.example.com", cfg.URL)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "/"
	}
	base.Path, base.RawQuery = "/socket.io/", ""
	v := &visit{cfg: cfg, base: base, report: report, client: &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// Every request comes on a connection of its own, so that a balancer decides anew.
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg.TLS},
	}}
	if !v.polling(ctx) {
		return nil // nothing else can work
	}
	for _, check := range []func(context.Context){
		v.clock, v.caching, v.stickiness, v.delay, v.webSocket, v.upgrade, v.origins, v.operators, v.admission, v.heartbeat,
	} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		check(ctx)
	}
	return nil
}

func (v *visit) ok(check, format string, values ...any) {
	v.report(Finding{check, OK, fmt.Sprintf(format, values...), nil})
}

func (v *visit) warn(check string, do []string, format string, values ...any) {
	v.report(Finding{check, Warn, fmt.Sprintf(format, values...), do})
}

func (v *visit) fail(check string, do []string, format string, values ...any) {
	v.report(Finding{check, Fail, fmt.Sprintf(format, values...), do})
}

func (v *visit) skip(check, why string) { v.report(Finding{check, Skip, why, nil}) }

// at gives the endpoint with a query.
func (v *visit) at(transport, sid string) string {
	u := *v.base
	q := url.Values{"EIO": {"4"}, "transport": {transport}}
	if sid != "" {
		q.Set("sid", sid)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// origin returns the Origin that a page of the server's own host sends.
func (v *visit) origin() string { return v.base.Scheme + "://" + v.base.Host }

// clock compares the clocks of this machine, of the server, and of the token's
// issuer.
func (v *visit) clock(context.Context) {
	const check = "clock"
	switch claims, err := readClaims(v.cfg.Token); {
	case v.ahead.Abs() > 5*time.Second:
		v.warn(check, []string{"set the clocks of all machines by NTP"}, "the server's clock, or its proxy's, is %v from the one here", v.ahead.Round(time.Second))
	case v.cfg.Token == "":
		v.ok(check, "the server's clock agrees with the one here; give --token to compare the issuer's")
	case err != nil:
		v.skip(check, "the token is no JWT, so its times cannot be read")
	case claims.IssuedAt.IsZero():
		v.warn(check, []string{"have the issuer put iat into tokens: one revocation of a user locks them out for revocation.keep else"}, "the token has no time of issue (iat)")
	case claims.IssuedAt.After(v.cfg.Clock().Add(v.ahead + 5*time.Second)):
		v.fail(check, []string{"set the clock of the issuer by NTP, or raise jwt.leeway"}, "the token was issued %v in the future of the server's clock", claims.IssuedAt.Sub(v.cfg.Clock().Add(v.ahead)).Round(time.Second))
	case !claims.Expires.IsZero() && claims.Expires.Before(v.cfg.Clock().Add(v.ahead)):
		v.fail(check, []string{"get a new token"}, "the token has expired")
	default:
		v.ok(check, "the clocks of the server, of the issuer and the one here agree")
	}
}

// operators checks whether the operators' surfaces are public.
func (v *visit) operators(ctx context.Context) {
	const check = "operators' paths"
	var open, guarded []string
	for _, path := range []string{"/metrics", "/api/v1/stats", "/debug/pprof/"} {
		u := *v.base
		u.Path, u.RawQuery = path, ""
		a, err := v.ask(ctx, http.MethodGet, u.String(), "", nil)
		switch {
		case err != nil:
		case a.status == http.StatusOK && !strings.Contains(a.kind, "html"):
			open = append(open, path)
		case a.status == http.StatusUnauthorized:
			guarded = append(guarded, path)
		}
	}
	switch {
	case len(open) > 0:
		v.fail(check, cures["operators"], "anybody reads %s", strings.Join(open, ", "))
	case len(guarded) > 0:
		v.warn(check, cures["operators"], "%s can be reached from here, behind the key alone", strings.Join(guarded, ", "))
	default:
		v.ok(check, "cannot be reached from here")
	}
}

// reason returns in a few words why there was no answer.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
