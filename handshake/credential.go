package handshake

// Kind is the kind of a credential, by whichever method it came.
type Kind string

// The kinds of credential.
const (
	KindToken       Kind = "token"       // a bearer token: a JWT or an opaque one
	KindTicket      Kind = "ticket"      // a single-use ticket of this server
	KindCookie      Kind = "cookie"      // the value of the session cookie
	KindBasic       Kind = "basic"       // a user name and a password
	KindCertificate Kind = "certificate" // the client certificate of the TLS connection
	KindProxy       Kind = "proxy"       // a user that a trusted proxy vouches for
	KindAnonymous   Kind = "anonymous"   // nothing, where nothing is enough
)

// The methods, by their names in the configuration.
const (
	MethodToken       = "token"        // auth.token, the first message
	MethodTicket      = "ticket"       // auth.ticket and ?ticket=
	MethodBearer      = "bearer"       // Authorization: Bearer
	MethodSubprotocol = "subprotocol"  // Sec-WebSocket-Protocol
	MethodCookie      = "cookie"       // the session cookie
	MethodBasic       = "basic"        // Authorization: Basic
	MethodCertificate = "certificate"  // a TLS client certificate
	MethodQueryToken  = "query_token"  // ?token=
	MethodProxyHeader = "proxy_header" // a header that a trusted proxy sets
	MethodAnonymous   = "anonymous"    // everybody
)

// Credential is a credential that an extractor found. It prints masked.
type Credential struct {
	Kind    Kind
	Method  string // the method that found it
	Secret  Secret // the token, ticket, cookie value or password
	User    string // the user name that came with it, if any
	Request *Request
}
