package handshake

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"gatehouse/internal/smalljson"

	"github.com/go-json-experiment/json/jsontext"
)

// ClaimNames says which claims make up an identity. A name may be a path with
// dots, such as realm_access.roles; a claim with exactly that name, dots
// included, takes precedence.
type ClaimNames struct {
	Subject string `koanf:"subject" yaml:"subject"` // zero is sub
	Name    string `koanf:"name" yaml:"name"`       // zero is name, else preferred_username
	Scopes  string `koanf:"scopes" yaml:"scopes"`   // zero is scope, else scp, else scopes
	Rooms   string `koanf:"rooms" yaml:"rooms"`     // zero is rooms
}

// withDefaults leaves those names empty for which there are several usual
// claims.
func (n ClaimNames) withDefaults() ClaimNames {
	n.Subject = cmp.Or(n.Subject, "sub")
	n.Rooms = cmp.Or(n.Rooms, "rooms")
	return n
}

// identity maps claims. The subject is empty when the claims have none.
func (n ClaimNames) identity(claims object) Identity {
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
	id.IssuedAt, _ = instant(claims.get("iat"))
	id.ExpiresAt, _ = instant(claims.get("exp"))
	id.Claims = beyondFields(claims)
	return id
}

// beyondFields returns the claims that are not in a field of an identity. An
// identity lives as long as its connection, and a map of its own weighs more
// than all its fields; most tokens need none.
func beyondFields(claims object) map[string]any {
	var rest map[string]any
	for _, claim := range claims {
		switch claim.name {
		case "sub", "name", "scope", "iss", "jti", "sid", "iat", "exp", "nbf":
			continue
		}
		if rest == nil {
			rest = make(map[string]any)
		}
		rest[claim.name] = valueOf(claim.value)
	}
	return rest
}

// valueOf decodes a value that has been checked; numbers stay json.Number.
func valueOf(value jsontext.Value) (v any) {
	_ = smalljson.Decode(value, &v, smalljson.Exact)
	return v
}

// text returns the first claim that is a string or a number: the configured
// one only, or the usual ones.
func text(claims object, configured string, usual ...string) string {
	for _, name := range namesOf(configured, usual) {
		value := claims.lookUp(name)
		if value.Kind() == '0' {
			return string(value)
		}
		if s, _ := stringOf(value); s != "" {
			return s
		}
	}
	return ""
}

// words returns the first claim that is there: a list of strings, or one
// string with words between spaces (RFC 8693, section 4.2).
func words(claims object, configured string, usual ...string) []string {
	for _, name := range namesOf(configured, usual) {
		value := claims.lookUp(name)
		if s, ok := stringOf(value); ok {
			return strings.Fields(s)
		}
		if value.Kind() == '[' {
			return onlyStrings(valueOf(value).([]any))
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

// instant reads a NumericDate (RFC 7519, section 2). Fractions are kept to the
// millisecond.
func instant(claim jsontext.Value) (time.Time, bool) {
	if claim.Kind() != '0' {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(claim), 64)
	if err != nil || math.Abs(seconds) > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}
