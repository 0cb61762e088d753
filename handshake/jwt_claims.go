package handshake

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenClaims are a token's claims as the library's validator wants them (RFC 7519, section 4.1), without a map for each token.
type tokenClaims struct{ object }

var _ jwt.Claims = (*tokenClaims)(nil)

// GetExpirationTime returns exp, nil when there is none.
func (c *tokenClaims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetIssuedAt returns iat, nil when there is none.
func (c *tokenClaims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetNotBefore returns nbf, nil when there is none.
func (c *tokenClaims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuer returns iss, empty when there is none.
func (c *tokenClaims) GetIssuer() (string, error) { return c.string("iss") }

// GetSubject returns sub, empty when there is none.
func (c *tokenClaims) GetSubject() (string, error) { return c.string("sub") }

// GetAudience returns aud, which is one name or a list of them.
func (c *tokenClaims) GetAudience() (jwt.ClaimStrings, error) {
	value := c.get("aud")
	if value == nil {
		return nil, nil
	}
	if one, ok := stringOf(value); ok {
		return jwt.ClaimStrings{one}, nil
	}
	list, ok := valueOf(value).([]any)
	if !ok {
		return nil, wrongType("aud")
	}
	names := make(jwt.ClaimStrings, len(list))
	for i := range list {
		if names[i], ok = list[i].(string); !ok {
			return nil, wrongType("aud")
		}
	}
	return names, nil
}

// date reads a NumericDate, to the second as the validator compares it.
func (c *tokenClaims) date(name string) (*jwt.NumericDate, error) {
	value := c.get(name)
	if value == nil {
		return nil, nil
	}
	at, ok := instant(value)
	if !ok {
		return nil, wrongType(name)
	}
	return &jwt.NumericDate{Time: at.Truncate(time.Second)}, nil
}

func (c *tokenClaims) string(name string) (string, error) {
	value := c.get(name)
	if value == nil {
		return "", nil
	}
	s, ok := stringOf(value)
	if !ok {
		return "", wrongType(name)
	}
	return s, nil
}

func wrongType(claim string) error { return fmt.Errorf("%s: %w", claim, jwt.ErrInvalidType) }
