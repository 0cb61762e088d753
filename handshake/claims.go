package handshake

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ClaimNames says which claims an identity is made of. A name may be a path
// with dots, such as realm_access.roles; a claim that has the whole name, dots
// and all, comes first.
type ClaimNames struct {
	Subject string `koanf:"subject" yaml:"subject"` // zero is sub
	Name    string `koanf:"name" yaml:"name"`       // zero is name, else preferred_username
	Scopes  string `koanf:"scopes" yaml:"scopes"`   // zero is scope, else scp, else scopes
	Rooms   string `koanf:"rooms" yaml:"rooms"`     // zero is rooms
}

// withDefaults leaves the names empty for which there are several usual claims.
func (n ClaimNames) withDefaults() ClaimNames {
	n.Subject = cmp.Or(n.Subject, "sub")
	n.Rooms = cmp.Or(n.Rooms, "rooms")
	return n
}

// identity maps claims. The subject is empty when the claims have none.
func (n ClaimNames) identity(claims map[string]any) Identity {
	id := Identity{
		Subject: text(claims, n.Subject),
		Name:    text(claims, n.Name, "name", "preferred_username"),
		Scopes:  words(claims, n.Scopes, "scope", "scp", "scopes"),
		Rooms:   words(claims, n.Rooms),
		TokenID: text(claims, "", "jti"),
		Session: text(claims, "", "sid"),
		Issuer:  text(claims, "", "iss"),
	}
	if id.Name == "" {
		id.Name = id.Subject
	}
	id.IssuedAt, _ = instant(claims["iat"])
	id.ExpiresAt, _ = instant(claims["exp"])
	id.Claims = beyondFields(claims)
	return id
}

// beyondFields returns the claims that no field of an identity stands for. An
// identity lives as long as its connection, and a map of its own weighs more
// than all its fields; most tokens need none.
func beyondFields(claims map[string]any) map[string]any {
	var rest map[string]any
	for name, value := range claims {
		switch name {
		case "sub", "name", "scope", "iss", "jti", "sid", "iat", "exp", "nbf":
			continue
		}
		if rest == nil {
			rest = make(map[string]any)
		}
		rest[name] = value
	}
	return rest
}

// text returns the first claim that is a string or a number: the configured
// one only, or the usual ones.
func text(claims map[string]any, configured string, usual ...string) string {
	for _, name := range namesOf(configured, usual) {
		switch value := lookUp(claims, name).(type) {
		case string:
			if value != "" {
				return value
			}
		case json.Number:
			return value.String()
		}
	}
	return ""
}

// words returns the first claim that is there: a list of strings, or one
// string with words between spaces (RFC 8693, section 4.2).
func words(claims map[string]any, configured string, usual ...string) []string {
	for _, name := range namesOf(configured, usual) {
		switch value := lookUp(claims, name).(type) {
		case string:
			return strings.Fields(value)
		case []any:
			return onlyStrings(value)
		}
	}
	return nil
}

func onlyStrings(list []any) []string {
	out := make([]string, 0, len(list))
	for _, one := range list {
		if s, ok := one.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

func namesOf(configured string, usual []string) []string {
	if configured != "" {
		return []string{configured}
	}
	return usual
}

func lookUp(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	inner, ok := claims[head].(map[string]any)
	if !ok {
		return nil
	}
	return lookUp(inner, rest)
}

// instant reads a NumericDate (RFC 7519, section 2). Fractions are kept to the
// millisecond.
func instant(claim any) (time.Time, bool) {
	number, ok := claim.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

// newParser reads tokens strictly and leaves the claims to the issuer's own
// validator, which is known only once the token is taken apart.
func newParser() *jwt.Parser {
	return jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation())
}
