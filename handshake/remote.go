package handshake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/limit"
	"gatehouse/internal/loopback"
	"gatehouse/internal/spans"
)

// remoteConfig are the settings for asking another server about a credential.
type remoteConfig struct {
	at          string // the configuration key, for errors
	url         string
	timeout     time.Duration
	cacheTTL    time.Duration
	cacheSize   int
	maxInFlight int
	insecure    bool
}

const (
	maxRemoteTimeout = 30 * time.Second
	maxRemoteCache   = 5 * time.Minute
	maxReplyBytes    = 64 << 10
	maxRemoteWaiting = 4096        // how many callers may wait for one of max_in_flight places
	maxRetryAfter    = time.Minute // the longest Retry-After that is accepted
)

// withDefaults fills the limits, which are the same for all verifiers that ask
// another server.
func (c remoteConfig) withDefaults() remoteConfig {
	c.timeout = positiveOr(c.timeout, 3*time.Second)
	c.cacheTTL = cmp.Or(c.cacheTTL, 5*time.Second) // negative is none
	c.cacheSize = positiveOr(c.cacheSize, 10_000)
	c.maxInFlight = positiveOr(c.maxInFlight, 64)
	return c
}

func (c remoteConfig) check() error {
	var errs []error
	if err := checkURL(c.url, c.insecure); err != nil {
		errs = append(errs, fmt.Errorf("%s.url: %w (%s.insecure_http allows http to another machine)", c.at, err, c.at))
	}
	if c.timeout > maxRemoteTimeout {
		errs = append(errs, fmt.Errorf("%s.timeout: %s is more than %s", c.at, c.timeout, maxRemoteTimeout))
	}
	if c.cacheTTL > maxRemoteCache {
		errs = append(errs, fmt.Errorf("%s.cache_ttl: %s is more than %s; a user who was locked out would stay in for that long; make it shorter", c.at, c.cacheTTL, maxRemoteCache))
	}
	return errors.Join(errs...)
}

// checkURL wants https, except for a server on this machine.
func checkURL(address string, insecure bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("is no address without user name, such as https://app.example/auth")
	}
	if u.Scheme == "https" || u.Scheme == "http" && (insecure || loopback.Is(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("%s://%s is not https, and others on the way could read and change what is said; write https://", u.Scheme, u.Host)
}

// newHTTPClient makes a client that follows no redirects: they could carry a
// credential to a server that is not configured.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// remote asks another server. Calls wait for their turn, fairly by the address
// of the client that causes them.
type remote struct {
	cfg    remoteConfig
	client *http.Client
	clock  func() time.Time

	*attempts

	mu    sync.Mutex // guards cache
	cache *expiring[[32]byte, Identity]
}

// attempts are the calls of another server, over all gates with the same memory.
type attempts struct {
	breaker *limit.Breaker[netip.Prefix]
	calls   *limit.Queue[netip.Prefix]
}

// remoteID is what decides whether calls go to the same server.
type remoteID struct{ at, url string }

func newRemote(cfg remoteConfig, deps Deps) *remote {
	return &remote{
		cfg: cfg, client: deps.HTTPClient, clock: deps.Clock,
		attempts: deps.Memory.attempts.get(remoteID{cfg.at, cfg.url}, func() *attempts {
			return &attempts{limit.NewBreaker[netip.Prefix](deps.Clock), limit.NewQueue[netip.Prefix](cfg.places())}
		}),
		cache: newExpiring[[32]byte, Identity](cfg.cacheSize),
	}
}

func (c remoteConfig) places() limit.QueueConfig {
	return limit.QueueConfig{Places: c.maxInFlight, PerKey: max(c.maxInFlight*3/4, 1), Waiting: maxRemoteWaiting}
}

// rule is for [Gate.Rule].
func (c *remote) rule() { c.calls.Set(c.cfg.places()) }

// ask sends a request for a client and returns the reply, or a refusal with
// unavailable or rate_limited. A status from 500 is no reply.
func (c *remote) ask(ctx context.Context, from *Request, body []byte, headers http.Header) (reply, error) {
	address := AddressKey(from.RemoteAddr)
	leave, err := c.calls.Enter(ctx, address, true)
	if err != nil {
		return reply{}, unavailable(fmt.Errorf("%s: wait for one of %d calls: %w", c.cfg.at, c.cfg.maxInFlight, err))
	}
	defer leave()
	wait, err := c.breaker.Begin(ctx)
	if err != nil {
		return reply{}, unavailable(fmt.Errorf("%s: wait for it to answer again: %w", c.cfg.at, err))
	}
	if wait > 0 {
		return reply{}, unavailableFor(wait, fmt.Errorf("%s: it failed a moment ago and is left alone for %s", c.cfg.at, wait.Round(time.Millisecond)))
	}
	limited, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	got, err := c.send(limited, body, headers)
	switch {
	case err != nil:
		c.breaker.End(address, limit.OutcomeOf(ctx, err), 0)
		return reply{}, unavailable(fmt.Errorf("%s: %w", c.cfg.at, err))
	case got.away():
		c.breaker.End(address, limit.Failing, got.retryAfter)
		return reply{}, got.refusal(c.cfg.at)
	}
	c.breaker.End(address, limit.Answered, 0)
	if got.status >= http.StatusInternalServerError {
		return reply{}, got.refusal(c.cfg.at)
	}
	return got, nil
}

// send asks once. A question changes nothing at the other server, so net/http
// may send it again when its idle connection was just closed. An Idempotency-Key
// allows that; the empty one is not sent.
func (c *remote) send(ctx context.Context, body []byte, headers http.Header) (_ reply, err error) {
	ctx, span := spans.Under(ctx, http.MethodPost, trace.SpanKindClient)
	defer func() { spans.End(span, noAnswer(err)) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header = headers
	request.Header["Idempotency-Key"] = []string{}
	spans.Give(ctx, request.Header)
	response, err := c.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	spans.Status(ctx, response.StatusCode)
	got := reply{
		status: response.StatusCode, kind: response.Header.Get("Content-Type"),
		retryAfter: retryAfter(response.Header.Get("Retry-After"), c.clock()),
	}
	got.body, err = io.ReadAll(io.LimitReader(response.Body, maxReplyBytes+1))
	if err == nil && len(got.body) > maxReplyBytes {
		err = fmt.Errorf("reply larger than %d bytes", maxReplyBytes)
	}
	return got, err
}

// noAnswer is the code in the span of a request without an answer.
func noAnswer(err error) string {
	if err == nil {
		return ""
	}
	return "no_answer"
}

// cacheKey is a digest, so that the cache holds no credential. Each part is
// preceded by its length, or two could be split differently.
func cacheKey(parts ...string) [32]byte {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:", len(part))
		_, _ = io.WriteString(h, part)
	}
	return [32]byte(h.Sum(nil))
}

func (c *remote) remembered(key [32]byte) (Identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cache.get(c.clock(), key)
}

// remember caches an identity for a short time, at most until it expires. When
// the cache is full, the entry that ends first gives way.
func (c *remote) remember(key [32]byte, id Identity) {
	if c.cfg.cacheTTL < 0 {
		return
	}
	now := c.clock()
	until := now.Add(c.cfg.cacheTTL)
	if !id.ExpiresAt.IsZero() && id.ExpiresAt.Before(until) {
		until = id.ExpiresAt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cache.put(now, key, id, until) {
		c.cache.evict()
		c.cache.put(now, key, id, until)
	}
}
