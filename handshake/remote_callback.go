package handshake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/internal/smalljson"
)

// CallbackConfig asks the user's own back end who a client is.
//
// The request is a POST with the JSON of [CallbackRequest]. Its header
// Gatehouse-Timestamp has the Unix time in seconds, Gatehouse-Signature has
// "v1=" and the hex HMAC-SHA256 of timestamp, "." and body under Secret: the
// back end compares both and refuses old requests. It answers 200 with the
// JSON of [CallbackReply], or 401 or 403 with a code and a message. Any other
// answer counts as unavailable.
type CallbackConfig struct {
	URL    string `koanf:"url" yaml:"url"`       // https, or http to this machine
	Secret Secret `koanf:"secret" yaml:"secret"` // at least 32 bytes
	// PreviousSecret signs besides, while the back end changes over: the header
	// then has two signatures, separated by a blank.
	PreviousSecret Secret        `koanf:"previous_secret" yaml:"previous_secret"`
	Kinds          []string      `koanf:"kinds" yaml:"kinds"`                 // kinds of credentials to ask about: token, cookie, basic; empty means token, cookie
	Timeout        time.Duration `koanf:"timeout" yaml:"timeout"`             // zero is 3s; at most 30s
	CacheTTL       time.Duration `koanf:"cache_ttl" yaml:"cache_ttl"`         // how long a positive answer is remembered; zero means 5s, negative not at all
	CacheSize      int           `koanf:"cache_size" yaml:"cache_size"`       // zero is 10000
	MaxInFlight    int           `koanf:"max_in_flight" yaml:"max_in_flight"` // zero is 64
	InsecureHTTP   bool          `koanf:"insecure_http" yaml:"insecure_http"` // http to another machine
}

// CallbackRequest is the question to the back end.
type CallbackRequest struct {
	Kind       Kind   `json:"kind"`
	Method     string `json:"way"`
	Credential string `json:"credential"`
	User       string `json:"user,omitempty"`
	Namespace  string `json:"namespace"`
	Origin     string `json:"origin,omitempty"`
	Address    string `json:"address,omitempty"`
}

// CallbackReply is the answer of the back end. Times are Unix seconds.
type CallbackReply struct {
	Subject   string         `json:"subject"`
	Name      string         `json:"name"`
	Scopes    []string       `json:"scopes"`
	Rooms     []string       `json:"rooms"`
	Claims    map[string]any `json:"claims"`
	TokenID   string         `json:"token_id"`
	Session   string         `json:"session"`
	IssuedAt  int64          `json:"issued_at"`
	ExpiresAt int64          `json:"expires_at"`

	Code    Code   `json:"code"`    // for a refusal: token_invalid, token_expired, unauthenticated or forbidden
	Message string `json:"message"` // of a refusal, for people
}

func (c CallbackConfig) withDefaults() CallbackConfig {
	c.Kinds = orList(c.Kinds, string(KindToken), string(KindCookie))
	r := c.remote().withDefaults()
	c.Timeout, c.CacheTTL, c.CacheSize, c.MaxInFlight = r.timeout, r.cacheTTL, r.cacheSize, r.maxInFlight
	return c
}

func (c CallbackConfig) remote() remoteConfig {
	return remoteConfig{"callback", c.URL, c.Timeout, c.CacheTTL, c.CacheSize, c.MaxInFlight, c.InsecureHTTP}
}

func (c CallbackConfig) kinds() []Kind {
	kinds := make([]Kind, len(c.Kinds))
	for i, kind := range c.Kinds {
		kinds[i] = Kind(kind)
	}
	return kinds
}

func (c CallbackConfig) check() error {
	errs := []error{c.remote().check()}
	if len(c.Secret) < 32 {
		errs = append(errs, fmt.Errorf(`callback.secret: %d bytes, at least 32 are needed to sign requests; make one with "openssl rand -base64 48"`, len(c.Secret)))
	}
	if n := len(c.PreviousSecret); n > 0 && n < 32 {
		errs = append(errs, fmt.Errorf("callback.previous_secret: %d bytes, at least 32 are needed", n))
	}
	possible := []Kind{KindToken, KindCookie, KindBasic}
	for _, kind := range c.kinds() {
		if !slices.Contains(possible, kind) {
			errs = append(errs, fmt.Errorf("callback.kinds: %q cannot be asked about; there are %v", kind, possible))
		}
	}
	return errors.Join(errs...)
}

func (c CallbackConfig) secrets() [][]byte {
	secrets := [][]byte{[]byte(c.Secret.Reveal())}
	if c.PreviousSecret != "" {
		secrets = append(secrets, []byte(c.PreviousSecret.Reveal()))
	}
	return secrets
}

// callback verifies by asking the back end.
type callback struct {
	*remote
	kinds   []Kind
	secrets [][]byte // the new one first
}

// Verify asks the back end, unless the same question was asked a moment ago.
func (c *callback) Verify(ctx context.Context, cred Credential) (Identity, error) {
	if !slices.Contains(c.kinds, cred.Kind) {
		return Identity{}, ErrNotMine
	}
	question := questionOf(cred)
	key := question.cacheKey()
	if id, ok := c.remembered(key); ok {
		return id, nil
	}
	body, err := json.Marshal(question)
	if err != nil {
		return Identity{}, errors.New("callback: encode the question")
	}
	got, err := c.ask(ctx, cred.Request, body, c.sign(body))
	if err != nil {
		return Identity{}, err
	}
	id, err := c.answer(got, cred.Kind)
	if err == nil {
		c.remember(key, id)
	}
	return id, err
}

func questionOf(cred Credential) CallbackRequest {
	r := cred.Request
	origin, _ := r.origin()
	q := CallbackRequest{
		Kind: cred.Kind, Method: cred.Method, Credential: cred.Secret.Reveal(), User: cred.User,
		Namespace: r.Namespace, Origin: origin,
	}
	if r.RemoteAddr.IsValid() {
		q.Address = r.RemoteAddr.String()
	}
	return q
}

// cacheKey covers everything that the back end may have looked at.
func (q CallbackRequest) cacheKey() [32]byte {
	return cacheKey(string(q.Kind), q.Method, q.Credential, q.User, q.Namespace, q.Origin, q.Address)
}

func (c *callback) sign(body []byte) http.Header {
	timestamp := strconv.FormatInt(c.clock().Unix(), 10)
	signatures := make([]string, len(c.secrets))
	for i, secret := range c.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(timestamp + "."))
		mac.Write(body)
		signatures[i] = "v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return http.Header{
		"Content-Type":        {"application/json"},
		"Gatehouse-Timestamp": {timestamp},
		"Gatehouse-Signature": {strings.Join(signatures, " ")},
	}
}

// answer reads the verdict of the back end. An answer that is neither a clear
// yes nor a clear no counts as none.
func (c *callback) answer(got reply, kind Kind) (Identity, error) {
	var said CallbackReply
	err := smalljson.Decode(got.body, &said, smalljson.Exact)
	switch got.status {
	case http.StatusOK:
		if err == nil {
			err = said.check(c.clock())
		}
		if err != nil {
			return Identity{}, got.unreadable("callback", err)
		}
		return said.identity(), nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return Identity{}, said.refusal(got.status, kind)
	}
	return Identity{}, got.unreadable("callback", errors.New("expected is 200, 401 or 403"))
}

// check checks that a positive answer is as documented.
func (a CallbackReply) check(now time.Time) error {
	switch {
	case a.Subject == "":
		return errors.New("subject: is missing")
	case a.IssuedAt > now.Add(clockSlack).Unix() && a.IssuedAt <= lastSecond:
		return fmt.Errorf("issued_at: %d is in the future", a.IssuedAt)
	}
	return errors.Join(unixSeconds("issued_at", a.IssuedAt), unixSeconds("expires_at", a.ExpiresAt))
}

func (a CallbackReply) identity() Identity {
	id := Identity{
		Subject: a.Subject, Name: a.Name, Scopes: a.Scopes, Rooms: a.Rooms, Claims: a.Claims,
		TokenID: a.TokenID, Session: a.Session,
	}
	if id.Name == "" {
		id.Name = id.Subject
	}
	if a.IssuedAt != 0 {
		id.IssuedAt = time.Unix(a.IssuedAt, 0)
	}
	if a.ExpiresAt != 0 {
		id.ExpiresAt = time.Unix(a.ExpiresAt, 0)
	}
	return id
}

// refusal keeps the back end's message if it gives one, and its code if a
// verifier may use it.
func (a CallbackReply) refusal(status int, kind Kind) *Refusal {
	code, message := CodeForbidden, "This is not allowed for you."
	if status == http.StatusUnauthorized {
		usual := noVerifier(kind, nil)
		code, message = usual.Code, "The sign-in was not accepted; sign in again."
	}
	switch a.Code {
	case CodeUnauthenticated, CodeTokenInvalid, CodeTokenExpired, CodeForbidden:
		code = a.Code
	}
	if a.Message != "" && len(a.Message) <= 500 {
		message = a.Message
	}
	return refuse(code, message, fmt.Errorf("callback: status %d", status))
}
