package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// answer is what a request got.
type answer struct {
	status int
	kind   string // content type
	date   string
	text   string // at most a mebibyte
	tls    bool
	until  time.Time // when the certificate ends
}

const mostText = 1 << 20

func (v *visit) ask(ctx context.Context, method, url, body string, header http.Header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostText))
	a := answer{status: resp.StatusCode, kind: resp.Header.Get("Content-Type"), date: resp.Header.Get("Date"), text: string(text)}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		a.tls, a.until = true, resp.TLS.PeerCertificates[0].NotAfter
	}
	return a, err
}

// said returns the message of a refusal, or the beginning of another answer.
func (a answer) said() string {
	var refusal struct {
		Message string
		Error   struct{ Message string }
	}
	if json.Unmarshal([]byte(a.text), &refusal) == nil && refusal.Message+refusal.Error.Message != "" {
		return fmt.Sprintf("%d, %q", a.status, refusal.Message+refusal.Error.Message)
	}
	return fmt.Sprintf("%d %s, %q", a.status, a.kind, strings.Join(strings.Fields(a.text[:min(len(a.text), 80)]), " "))
}

// unknownSession reports whether the node that answered does not have the session.
func (a answer) unknownSession() bool {
	return a.status == http.StatusBadRequest && strings.Contains(a.text, "Session ID unknown")
}

// session opens a session by long-polling.
func (v *visit) session(ctx context.Context) (open, answer, error) {
	a, err := v.ask(ctx, http.MethodGet, v.at("polling", ""), "", nil)
	var o open
	if err == nil && a.status == http.StatusOK && strings.HasPrefix(a.text, "0{") {
		_ = json.Unmarshal([]byte(a.text[1:]), &o)
	}
	return o, a, err
}

func (v *visit) post(ctx context.Context, sid, packets string) (answer, error) {
	return v.ask(ctx, http.MethodPost, v.at("polling", sid), packets, nil)
}

// leave ends a session that is not needed any more.
func (v *visit) leave(ctx context.Context, sid string) { _, _ = v.post(ctx, sid, "1") }

// polling opens a session; without one the other checks are skipped.
func (v *visit) polling(ctx context.Context) bool {
	const check = "polling"
	o, a, err := v.session(ctx)
	switch {
	case err != nil:
		v.fail(check, cures["away"], "nobody answers: %s", reason(err))
	case a.status >= 300 && a.status < 400:
		v.fail(check, []string{"give the address that it leads to; Socket.IO's clients follow no redirects"}, "the answer is a redirect (%d)", a.status)
	case a.status >= 500:
		v.fail(check, cures["away"], "the answer is %s", a.said())
	case o.SID == "" && strings.Contains(a.text, `"code"`):
		v.fail(check, nil, "the server refuses: %s", a.said())
	case o.SID == "":
		v.fail(check, cures["path"], "what answers /socket.io/ is no Socket.IO server: %s", a.said())
	default:
		v.open = o
		if date, err := http.ParseTime(a.date); err == nil {
			v.ahead = date.Sub(v.cfg.Clock().Truncate(time.Second))
		}
		v.ok(check, "a session opens; a PING every %d s, messages up to %d bytes", o.PingInterval/1000, o.MaxPayload)
		v.encryption(a)
		return true
	}
	return false
}

func (v *visit) encryption(a answer) {
	const check = "TLS"
	host := v.base.Hostname()
	switch left := a.until.Sub(v.cfg.Clock()); {
	case !a.tls && host != "localhost" && !strings.HasPrefix(host, "127.") && host != "::1":
		v.warn(check, []string{"tls.cert_file and tls.key_file, or a proxy that has TLS"}, "there is none: tokens and messages can be read on the way")
	case !a.tls:
		v.skip(check, "this machine")
	case left < 14*24*time.Hour:
		v.warn(check, []string{"renew the certificate"}, "the certificate ends in %d days", int(left.Hours()/24))
	default:
		v.ok(check, "the certificate is good for %d days", int(left.Hours()/24))
	}
}

// caching checks that two clients get two sessions.
func (v *visit) caching(ctx context.Context) {
	const check = "caching"
	o, a, err := v.session(ctx)
	switch {
	case err != nil || o.SID == "":
		v.fail(check, cures["away"], "a second session does not open: %s", lost(a, err))
	case o.SID == v.open.SID:
		v.fail(check, cures["cache"], "two clients get the same session: an answer comes from a cache")
	default:
		v.leave(ctx, o.SID)
		v.ok(check, "each client gets a session of its own")
	}
}

func lost(a answer, err error) string {
	if err != nil {
		return reason(err)
	}
	return a.said()
}

// tries is how many requests of one session have to reach its node. With two
// nodes in turns the second request fails; with random ones all pass once in
// 256 times.
const tries = 8

// stickiness sends requests of one session on connections of their own.
func (v *visit) stickiness(ctx context.Context) {
	const check = "stickiness"
	for i := range tries {
		a, err := v.post(ctx, v.open.SID, "3") // a PONG that nobody waits for
		switch {
		case err != nil:
			v.fail(check, cures["away"], "request %d of a session: %s", i+1, reason(err))
			return
		case a.unknownSession():
			v.fail(check, cures["sticky"], "request %d of a session reached a node that does not have it", i+1)
			return
		case a.status != http.StatusOK:
			v.fail(check, nil, "request %d of a session: %s", i+1, a.said())
			return
		}
	}
	v.ok(check, "%d requests of a session, each on a connection of its own, reached it", tries)
}

// slow is longer than a ready answer takes on any connection.
const slow = 3 * time.Second

// delay asks for a namespace while a poll waits, and measures when its answer comes.
func (v *visit) delay(ctx context.Context) {
	const check = "buffering"
	o, a, err := v.session(ctx)
	if err != nil || o.SID == "" {
		v.skip(check, "no session: "+lost(a, err))
		return
	}
	defer v.leave(ctx, o.SID)
	type result struct {
		answer
		err error
		at  time.Time
	}
	polled := make(chan result, 1)
	go func() {
		a, err := v.ask(ctx, http.MethodGet, v.at("polling", o.SID), "", nil)
		polled <- result{a, err, v.cfg.Clock()}
	}()
	// A namespace that does not exist is refused at once.
	if a, err := v.post(ctx, o.SID, "40/gatehouse-doctor,"); err != nil || a.status != http.StatusOK {
		v.skip(check, "a POST of a session fails: "+lost(a, err))
		<-polled
		return
	}
	asked := v.cfg.Clock()
	r := <-polled
	switch waited := r.at.Sub(asked); {
	case r.err != nil:
		v.fail(check, cures["buffer"], "a poll gets no answer: %s", reason(r.err))
	case waited > slow:
		v.fail(check, cures["buffer"], "an answer to a poll came %v after it was ready", waited.Round(time.Millisecond))
	default:
		v.ok(check, "an answer comes when it is ready")
	}
}

// claims are the claims of a token that the doctor reads. It does not verify it.
type claims struct{ IssuedAt, Expires time.Time }

func readClaims(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, fmt.Errorf("%d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, err
	}
	var c struct{ Iat, Exp float64 }
	if err := json.Unmarshal(text, &c); err != nil {
		return claims{}, err
	}
	at := func(seconds float64) time.Time {
		if seconds <= 0 {
			return time.Time{}
		}
		return time.UnixMilli(int64(seconds * 1000))
	}
	return claims{at(c.Iat), at(c.Exp)}, nil
}
