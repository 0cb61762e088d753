package handshake

import (
	"crypto/rand"
	"io"
	"net/http"
	"time"
)

// GateConfig is the configuration of a [Gate]. Its parts are meant to be
// top-level keys of a server's configuration, as the messages about them say.
type GateConfig struct {
	Auth    AuthConfig   `koanf:"auth" yaml:"auth"`
	JWT     JWTConfig    `koanf:"jwt" yaml:"jwt"`
	Issuers []JWTConfig  `koanf:"issuers" yaml:"issuers"` // further issuers, each with its own keys
	Origins OriginConfig `koanf:"origins" yaml:"origins"`

	Tickets       TicketConfig        `koanf:"tickets" yaml:"tickets"`
	Subprotocol   SubprotocolConfig   `koanf:"subprotocol" yaml:"subprotocol"`
	Cookie        CookieConfig        `koanf:"cookie" yaml:"cookie"`
	Basic         BasicConfig         `koanf:"basic" yaml:"basic"`
	Certificate   CertificateConfig   `koanf:"certificate" yaml:"certificate"`
	ProxyHeader   ProxyHeaderConfig   `koanf:"proxy_header" yaml:"proxy_header"`
	Callback      CallbackConfig      `koanf:"callback" yaml:"callback"`
	Introspection IntrospectionConfig `koanf:"introspection" yaml:"introspection"`
	Revocation    RevocationConfig    `koanf:"revocation" yaml:"revocation"`

	Deps Deps `koanf:"-" yaml:"-"`
}

// AuthConfig says which ways in are open, in which order, and where.
type AuthConfig struct {
	// Ways are asked in this order. Empty: token, ticket, bearer.
	Ways []string `koanf:"ways" yaml:"ways"`
	// Namespaces with ways of their own instead.
	Namespaces []NamespaceAuth `koanf:"namespaces" yaml:"namespaces"`
	// MaxPayload is the size limit of an `auth` payload in bytes; zero is
	// DefaultMaxPayload.
	MaxPayload int `koanf:"max_payload" yaml:"max_payload"`
}

// NamespaceAuth opens other ways into one namespace.
type NamespaceAuth struct {
	Name string   `koanf:"name" yaml:"name"` // exact, such as "/public"
	Ways []string `koanf:"ways" yaml:"ways"`
}

// Deps is what a program passes in besides settings. The zero value works.
type Deps struct {
	Clock  func() time.Time // nil is time.Now
	Random io.Reader        // nil is crypto/rand
	// Verifiers of a program's own come before the configured ones.
	Verifiers []Verifier
	// Tickets keeps tickets for several nodes; nil is a MemoryTickets.
	Tickets TicketStore
	// Revocations is shared with who adds marks; nil is a list of the gate's own.
	Revocations *Revocations
	// HTTPClient fetches key sets and asks other servers; nil is a client
	// that follows no redirects.
	HTTPClient *http.Client
}

func (d Deps) withDefaults() Deps {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Random == nil {
		d.Random = rand.Reader
	}
	if d.HTTPClient == nil {
		d.HTTPClient = newHTTPClient()
	}
	return d
}
