package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/smalljson"
)

// tokenCommand prints a token that the same configuration accepts.
type tokenCommand struct {
	configFile `embed:""`

	Dev   bool          `help:"Use the key of serve --dev, unless the configuration has one."`
	Sub   string        `required:"" placeholder:"NAME" help:"Subject: who the token speaks for."`
	TTL   time.Duration `name:"ttl" default:"1h" help:"Life of the token, such as 90s or 24h (default ${default})."`
	Count int           `default:"1" placeholder:"N" help:"Print N tokens, one a line, for NAME-1 to NAME-N: a load test's users."`
	Claim []string      `sep:"none" placeholder:"K=V" help:"One more claim; may be repeated. A value that is a JSON number, boolean, list or object keeps its type."`
}

// mostTokens is how many tokens one call prints at most.
const mostTokens = 1_000_000

// Run prints the token, or one a line, and nothing else on standard output.
func (c *tokenCommand) Run(p *program) error {
	if c.Count < 1 || c.Count > mostTokens {
		return fmt.Errorf("--count %d: write a number from 1 to %d", c.Count, mostTokens)
	}
	claims, err := parseClaims(c.Claim)
	if err != nil {
		return err
	}
	s, err := load(c.File, p.env, nil)
	if err != nil {
		return err
	}
	if err := p.signingKey(&s, s.Dev || c.Dev); err != nil {
		return err
	}
	signer, err := handshake.NewSigner(s.JWT, nil, nil)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	for i := range c.Count {
		subject := c.Sub
		if c.Count > 1 {
			subject = fmt.Sprintf("%s-%d", c.Sub, i+1)
		}
		token, _, err := signer.Sign(handshake.TokenSpec{Subject: subject, TTL: c.TTL, Claims: claims})
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, token) // Flush has the error
	}
	return out.Flush()
}

// signingKey makes sure that there is a key to sign with: the configured one
// or, for dev mode, the kept one. It never makes a key, which no running server
// would know.
func (p *program) signingKey(s *settings, dev bool) error {
	err := s.Check()
	if !errors.Is(err, handshake.ErrNoVerifier) {
		return err
	}
	if !dev {
		return errors.New("no key is configured: set jwt.hmac_secret (" + envName("jwt.hmac_secret") +
			") as the server has it, or use --dev for a server that runs with --dev")
	}
	key, err := p.devKey()
	s.JWT.HMACSecret = handshake.Secret(key)
	return err
}

// parseClaims reads name=value pairs.
func parseClaims(pairs []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim %q: write NAME=VALUE, such as --claim scope=orders", pair)
		}
		if reserved[name] {
			return nil, fmt.Errorf("--claim %s: this claim comes from --sub, --ttl or the configuration", name)
		}
		claims[name] = claimValue(value)
	}
	return claims, nil
}

// reserved are the claims that the command sets itself.
var reserved = map[string]bool{"sub": true, "exp": true, "iat": true, "iss": true, "aud": true}

// claimValue returns a JSON number, boolean, list or object as such, and
// everything else as text, JSON strings and null included.
func claimValue(text string) any {
	var v any
	// 9007199254740993 must not become …992.
	if err := smalljson.Decode([]byte(text), &v, smalljson.Exact); err != nil || v == nil {
		return text
	}
	if _, isText := v.(string); isText {
		return text
	}
	return v
}
