package handshake

import (
	"errors"
	"strings"
)

// extractor finds one kind of credential in a request. It returns ErrNotMine
// when there is none, and a [*Refusal] when there is one that cannot be read.
// It is called concurrently and must not change or keep the request.
type extractor interface {
	Extract(r *Request) (Credential, error)
}

// extractorFunc lets a function be an extractor.
type extractorFunc func(r *Request) (Credential, error)

// Extract calls the function.
func (f extractorFunc) Extract(r *Request) (Credential, error) { return f(r) }

// method is a way to sign in, as the configuration named it.
type method struct {
	name      string
	extractor extractor
	// fromPayload marks the methods that read the `auth` payload. When the
	// payload has a credential, only these and anonymous are asked.
	fromPayload bool
}

// extract asks the methods in their order; the first that finds something decides.
func extract(methods []method, r *Request) (Credential, error) {
	decided := r.payloadDecides()
	for _, w := range methods {
		if decided && !w.fromPayload {
			continue
		}
		cred, err := w.extractor.Extract(r)
		if err == nil {
			cred.Method, cred.Request = w.name, r
			return cred, nil
		}
		if !errors.Is(err, ErrNotMine) {
			return Credential{}, err
		}
	}
	return Credential{}, noCredential(methods, decided)
}

func noCredential(methods []method, decided bool) *Refusal {
	if decided {
		return refuse(CodeUnauthenticated,
			"The auth payload holds no credential that is accepted here. "+accepted(methods),
			errors.New("auth payload without an accepted credential"))
	}
	return refuse(CodeUnauthenticated, "Sign in first. "+accepted(methods), errNoCredential)
}

// accepted tells a client what to bring.
func accepted(methods []method) string {
	var all []string
	for i, w := range methods {
		if i == 0 || methods[i-1].name != w.name {
			all = append(all, broughtBy(w.name))
		}
	}
	return "Accepted: " + strings.Join(all, ", or ") + "."
}

// broughtBy says where a client puts the credential of a method.
func broughtBy(name string) string {
	switch name {
	case MethodToken:
		return `auth: {"token": "…"}`
	case MethodTicket:
		return `auth: {"ticket": "…"}`
	case MethodBearer:
		return "a header Authorization: Bearer …"
	case MethodSubprotocol:
		return "a token as WebSocket subprotocol"
	case MethodCookie:
		return "the session cookie"
	case MethodBasic:
		return "a header Authorization: Basic …"
	case MethodCertificate:
		return "a TLS client certificate"
	case MethodProxyHeader:
		return "a request through the proxy that signs users in"
	case MethodQueryToken:
		return "?token=…"
	}
	return name
}

// errNoCredential is the cause when no open method found anything.
var errNoCredential = errors.New("no credential")

// payloadDecides reports whether the payload brought anything that may be a
// credential. A CSRF token is not one: it goes along with a cookie.
func (r *Request) payloadDecides() bool {
	if r.fields.get(csrfField) != nil {
		return len(r.fields) > 1
	}
	return len(r.fields) > 0
}

const csrfField = "csrf"

// payloadString reads a credential from a field of the payload. An empty
// field means that the client has not signed in yet.
func payloadString(r *Request, field string, code Code) (Secret, error) {
	raw := r.fields.get(field)
	if raw == nil {
		return "", ErrNotMine
	}
	text, ok := stringOf(raw)
	if !ok && raw.Kind() != 'n' {
		return "", refuse(code, "auth."+field+" must be a string.", errors.New("auth."+field+" is not a string"))
	}
	if text == "" {
		return "", refuse(CodeUnauthenticated,
			"auth."+field+" is empty; sign in, then connect with the new value.",
			errors.New("auth."+field+" is empty"))
	}
	return Secret(text), nil
}

// tokenFromPayload reads auth.token.
func tokenFromPayload(r *Request) (Credential, error) {
	token, err := payloadString(r, "token", CodeTokenInvalid)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Kind: KindToken, Secret: token}, nil
}

// tokenFromHeader reads Authorization: Bearer (RFC 6750, section 2.1).
func tokenFromHeader(r *Request) (Credential, error) {
	token, err := authorization(r, "Bearer")
	if err != nil {
		return Credential{}, err
	}
	return Credential{Kind: KindToken, Secret: token}, nil
}

// authorization returns what follows the scheme in the Authorization header.
// The scheme's case does not matter (RFC 9110, section 11.1).
func authorization(r *Request, scheme string) (Secret, error) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return "", ErrNotMine
	}
	if len(lines) > 1 {
		return "", refuse(CodeUnauthenticated, "Send one Authorization header.", errors.New("several Authorization headers"))
	}
	got, rest, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(got, scheme) {
		return "", ErrNotMine
	}
	rest = strings.Trim(rest, " ")
	if rest == "" {
		return "", refuse(CodeUnauthenticated, "The Authorization header is empty.", errors.New("empty Authorization header"))
	}
	return Secret(rest), nil
}

// tokenFromQuery reads ?token=, which is off unless configured: URLs end up
// in logs and histories.
func tokenFromQuery(r *Request) (Credential, error) {
	token, err := queryValue(r, "token")
	if err != nil {
		return Credential{}, err
	}
	return Credential{Kind: KindToken, Secret: token}, nil
}

func queryValue(r *Request, name string) (Secret, error) {
	values := r.Query[name]
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", ErrNotMine
	case len(values) > 1:
		return "", refuse(CodeUnauthenticated, "Send "+name+" once.", errors.New("several "+name+" parameters"))
	}
	return Secret(values[0]), nil
}
