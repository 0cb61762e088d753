package handshake

import (
	"crypto/rand"
	"io"
	"time"
)

// GateConfig is the configuration of a [Gate]. Its parts are meant to be
// top-level keys of a server's configuration, as the messages about them say.
type GateConfig struct {
	Auth    AuthConfig   `koanf:"auth" yaml:"auth"`
	JWT     JWTConfig    `koanf:"jwt" yaml:"jwt"`
	Issuers []JWTConfig  `koanf:"issuers" yaml:"issuers"` // further issuers, each with its own keys
	Origins OriginConfig `koanf:"origins" yaml:"origins"`

	Deps Deps `koanf:"-" yaml:"-"`
}

// AuthConfig says which ways in are open, in which order, and where.
type AuthConfig struct {
	// Ways are asked in this order. Empty: token, bearer.
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
}

func (d Deps) withDefaults() Deps {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Random == nil {
		d.Random = rand.Reader
	}
	return d
}
