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

	"github.com/sony/gobreaker/v2"
)

// remoteConfig is what asking another server about a credential needs.
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
	breakerFailures  = 5                // in a row, to open the circuit
	breakerPause     = 10 * time.Second // that it stays open
)

// withDefaults fills the limits, which all who ask another server share.
func (c remoteConfig) withDefaults() remoteConfig {
	c.timeout = orElse(c.timeout, 3*time.Second)
	c.cacheTTL = cmp.Or(c.cacheTTL, 5*time.Second) // negative is none
	c.cacheSize = orElse(c.cacheSize, 10_000)
	c.maxInFlight = orElse(c.maxInFlight, 64)
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
		errs = append(errs, fmt.Errorf("%s.cache_ttl: %s is more than %s; who was locked out would stay in that long", c.at, c.cacheTTL, maxRemoteCache))
	}
	return errors.Join(errs...)
}

// checkURL wants https, except for a server on this machine.
func checkURL(address string, insecure bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("is no address without user name, such as https://app.example/auth")
	}
	if u.Scheme == "https" || u.Scheme == "http" && (insecure || isLoopback(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("%s://%s is not https, and others on the way could read and change what is said; write https://", u.Scheme, u.Host)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// newHTTPClient makes a client that follows no redirects: they would carry a
// credential to who is not configured.
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

// remote asks another server. A server that does not answer is left alone for
// a while, so that CONNECTs fail at once instead of piling up.
type remote struct {
	cfg     remoteConfig
	client  *http.Client
	breaker *gobreaker.CircuitBreaker[reply]
	slots   chan struct{} // holds one element per call under way
	clock   func() time.Time

	mu    sync.Mutex // guards cache
	cache *expiring[[32]byte, Identity]
}

type reply struct {
	status int
	body   []byte
}

func newRemote(cfg remoteConfig, client *http.Client, clock func() time.Time) *remote {
	return &remote{
		cfg: cfg, client: client, clock: clock,
		breaker: gobreaker.NewCircuitBreaker[reply](gobreaker.Settings{
			Name: cfg.at, Timeout: breakerPause,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
			// A client that went away says nothing about the other server.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		}),
		slots: make(chan struct{}, cfg.maxInFlight),
		cache: newExpiring[[32]byte, Identity](cfg.cacheSize),
	}
}

// ask sends a request and returns the reply, or a refusal with unavailable.
// Statuses from 500 count as no answer.
func (c *remote) ask(ctx context.Context, body []byte, headers http.Header) (reply, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return reply{}, unavailable(fmt.Errorf("%s: %d calls under way", c.cfg.at, c.cfg.maxInFlight))
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	got, err := c.breaker.Execute(func() (reply, error) { return c.send(ctx, body, headers) })
	if err != nil {
		return reply{}, unavailable(fmt.Errorf("%s: %w", c.cfg.at, err))
	}
	return got, nil
}

func (c *remote) send(ctx context.Context, body []byte, headers http.Header) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header = headers
	response, err := c.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusInternalServerError {
		return reply{}, fmt.Errorf("status %d", response.StatusCode)
	}
	read, err := io.ReadAll(io.LimitReader(response.Body, maxReplyBytes+1))
	if err == nil && len(read) > maxReplyBytes {
		err = fmt.Errorf("reply larger than %d bytes", maxReplyBytes)
	}
	return reply{response.StatusCode, read}, err
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

// remember keeps an identity for a short time, no longer than it is good. When
// the cache is full, the entry that ends next gives way.
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
