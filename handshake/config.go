package handshake

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// GateConfig is the configuration of a [Gate]. Errors name its parts as
// top-level keys of a server's configuration.
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

// WithDefaults returns the configuration with every setting that was left at
// its zero value replaced by its default; an empty value with a meaning, such
// as a verifier that is off, stays. Filling a configuration twice changes
// nothing more. [NewGate] does it by itself; Deps stay as they are.
func (c GateConfig) WithDefaults() GateConfig {
	c.Auth = c.Auth.withDefaults()
	c.JWT = c.JWT.withDefaults()
	c.Issuers = slices.Clone(c.Issuers) // the caller's stay as they are
	for i, one := range c.Issuers {
		c.Issuers[i] = one.withDefaults()
	}
	c.Origins = c.Origins.withDefaults()
	c.Tickets = c.Tickets.withDefaults()
	c.Subprotocol = c.Subprotocol.withDefaults()
	c.Cookie = c.Cookie.withDefaults()
	c.Basic = c.Basic.withDefaults()
	c.Certificate = c.Certificate.withDefaults()
	c.ProxyHeader = c.ProxyHeader.withDefaults()
	c.Callback = c.Callback.withDefaults()
	c.Introspection = c.Introspection.withDefaults()
	c.Revocation = c.Revocation.withDefaults()
	return c
}

// positiveOr returns a limit, or its default where it is zero or negative, as
// nothing could be within a negative limit.
func positiveOr[T int | time.Duration](limit, usual T) T {
	if limit <= 0 {
		return usual
	}
	return limit
}

// orList returns a list, or its default where it is empty.
func orList(list []string, usual ...string) []string {
	if len(list) == 0 {
		return usual
	}
	return list
}

// AuthConfig says which methods are open, in which order, and where.
type AuthConfig struct {
	// Methods are asked in this order. Empty: token, ticket, bearer.
	Methods []string `koanf:"methods" yaml:"methods" was:"ways"`
	// Namespaces with methods of their own instead.
	Namespaces []NamespaceAuth `koanf:"namespaces" yaml:"namespaces"`
	// MaxPayload is the size limit of an `auth` payload in bytes; zero is
	// DefaultMaxPayload.
	MaxPayload int `koanf:"max_payload" yaml:"max_payload" unit:"bytes"`
}

func (c AuthConfig) withDefaults() AuthConfig {
	c.Methods = orList(c.Methods, MethodToken, MethodTicket, MethodBearer)
	c.MaxPayload = cmp.Or(c.MaxPayload, DefaultMaxPayload)
	return c
}

// NamespaceAuth opens one namespace to other methods.
type NamespaceAuth struct {
	// Name is exact, such as "/public", or a pattern with parts in braces, such as
	// "/tenant-{org}". A name that is listed itself takes precedence over
	// patterns; of two patterns, the one that fixes more characters of the name
	// wins.
	Name    string   `koanf:"name" yaml:"name"`
	Methods []string `koanf:"methods" yaml:"methods" was:"ways"`
}

// Deps is what a program passes in besides settings. The zero value works.
type Deps struct {
	Clock  func() time.Time // nil is time.Now
	Random io.Reader        // nil is crypto/rand
	// Verifiers are the program's own. They are asked before the configured ones.
	Verifiers []Verifier
	// Tickets keeps tickets for several nodes; nil is a MemoryTickets.
	Tickets TicketStore
	// Revocations is shared with the code that adds revocations; nil means a list
	// of the gate's own.
	Revocations *Revocations
	// Memory is shared with the gates before and after this one; nil means one of
	// the gate's own.
	Memory *Memory
	// HTTPClient fetches key sets and asks other servers; nil is a client
	// that follows no redirects.
	HTTPClient *http.Client
	// Logger gets events that concern no single client: key sets that were read or
	// could not be read, and unusable keys. Nil is slog.Default().
	Logger *slog.Logger
}

func (d Deps) withDefaults() Deps {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Random == nil {
		d.Random = rand.Reader
	}
	if d.Memory == nil {
		d.Memory = NewMemory(d.Clock)
	}
	if d.HTTPClient == nil {
		d.HTTPClient = newHTTPClient()
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}
