package relay

import (
	"encoding/json"
	"strings"

	"github.com/google/cel-go/cel"

	"gatehouse/handshake"
)

// Facts are the input of the rules: who asks, where, and for what.
type Facts struct {
	Identity  handshake.Identity
	Address   string // of the client
	Namespace string
	Parts     map[string]string // parts of the namespace's name and of the room's
	Room      string
	Event     string

	claims map[string]any // Identity's in the types of CEL; made when first asked for
}

// variables are the names and types that every expression knows.
func variables() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Variable("sub", cel.StringType),
		cel.Variable("name", cel.StringType),
		cel.Variable("issuer", cel.StringType),
		cel.Variable("method", cel.StringType),
		cel.Variable("scopes", cel.ListType(cel.StringType)),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("address", cel.StringType),
		cel.Variable(innerNamespace, cel.StringType),
		cel.Variable("room", cel.StringType),
		cel.Variable("event", cel.StringType),
	}
}

// taken are the names that a part of a pattern cannot have: those of variables and
// the words that CEL keeps for itself.
var taken = strings.Fields("sub name issuer method scopes claims address namespace room event has " +
	"true false null in as break const continue else for function if import let loop package return var void while")

// ResolveName implements cel.Activation.
func (f *Facts) ResolveName(name string) (any, bool) {
	switch name {
	case "sub":
		return f.Identity.Subject, true
	case "name":
		return f.Identity.Name, true
	case "issuer":
		return f.Identity.Issuer, true
	case "method":
		return f.Identity.Method, true
	case "scopes":
		return f.Identity.Scopes, true
	case "claims":
		return f.typedClaims(), true
	case "address":
		return f.Address, true
	case innerNamespace:
		return f.Namespace, true
	case "room":
		return f.Room, true
	case "event":
		return f.Event, true
	}
	part, ok := f.Parts[name]
	return part, ok
}

// Parent implements cel.Activation.
func (f *Facts) Parent() cel.Activation { return nil }

// typedClaims are the claims of the identity in the types of expressions: a number is an
// integer where it is one.
func (f *Facts) typedClaims() map[string]any {
	if f.claims == nil {
		f.claims = make(map[string]any, len(f.Identity.Claims))
		for name, value := range f.Identity.Claims {
			f.claims[name] = plain(value)
		}
	}
	return f.claims
}

// plain turns a value of a verifier into the types of expressions.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		n, _ := v.Float64() // a JSON number always has a value, if an infinite one
		return n
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
		return v
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = plain(v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for name := range v {
			all[name] = plain(v[name])
		}
		return all
	}
	return value
}

// lookup finds the value at a path, or nil.
func (f *Facts) lookup(path []string) any {
	value, _ := f.ResolveName(path[0])
	for _, name := range path[1:] {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = inner[name]
	}
	return value
}
