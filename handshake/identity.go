package handshake

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Identity is the identity of a client. It is shared once it is made: treat
// its slices and its map as read-only.
type Identity struct {
	Subject  string         `json:"subject"`            // stable name of the user, unique within the Issuer
	Name     string         `json:"name,omitempty"`     // for people; the subject when nothing better is known
	Scopes   []string       `json:"scopes,omitempty"`   // what the credential allows
	Rooms    []string       `json:"rooms,omitempty"`    // rooms that the credential names
	Claims   map[string]any `json:"claims,omitempty"`   // further claims; numbers are json.Number
	TokenID  string         `json:"token_id,omitempty"` // the token's own id (jti), for revocation
	Session  string         `json:"session,omitempty"`  // id of the login that the token belongs to (sid), for revocation
	Issuer   string         `json:"issuer,omitempty"`
	Method   string         `json:"method"` // the method that was used, e.g. MethodToken
	IssuedAt time.Time      `json:"issued_at,omitzero"`
	// ExpiresAt is when the identity ends; zero means never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Has reports whether the identity carries the value for the claim. The claims
// "scope", "room", "sub", "name", "iss", "jti" and "sid" look into the fields,
// whatever the token called them; any other name looks into Claims, where a
// list matches by one of its elements. Numbers and booleans match by their JSON
// text.
func (id Identity) Has(claim, value string) bool {
	switch claim {
	case "scope":
		return slices.Contains(id.Scopes, value)
	case "room":
		return slices.Contains(id.Rooms, value)
	case "sub":
		return id.Subject == value
	case "name":
		return id.Name == value
	case "iss":
		return id.Issuer == value
	case "jti":
		return id.TokenID == value
	case "sid":
		return id.Session == value
	}
	return matches(id.Claims[claim], value)
}

func matches(claim any, value string) bool {
	if list, ok := claim.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return scalarIs(one, value) })
	}
	if list, ok := claim.([]string); ok {
		return slices.Contains(list, value)
	}
	return scalarIs(claim, value)
}

func scalarIs(claim any, value string) bool {
	switch c := claim.(type) {
	case string:
		return c == value
	case json.Number:
		return c.String() == value
	case bool:
		return strconv.FormatBool(c) == value
	}
	return false
}

// Expired reports whether the identity has ended at the given time.
func (id Identity) Expired(now time.Time) bool {
	return !id.ExpiresAt.IsZero() && !now.Before(id.ExpiresAt)
}

// UserKey identifies a user: subjects are unique within their issuer only. A
// refresh does not change it.
type UserKey struct{ Issuer, Subject string }

// User returns the key of the identity's user.
func (id Identity) User() UserKey { return UserKey{id.Issuer, id.Subject} }
