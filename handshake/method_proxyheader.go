package handshake

import (
	"cmp"
	"context"
	"errors"
	"net/textproto"
)

// ProxyHeaderConfig is about a proxy that signs users in and names them in a
// header.
type ProxyHeaderConfig struct {
	Name string `koanf:"name" yaml:"name"` // zero is X-Authenticated-User
}

func (c ProxyHeaderConfig) withDefaults() ProxyHeaderConfig {
	c.Name = cmp.Or(c.Name, "X-Authenticated-User")
	return c
}

func (c ProxyHeaderConfig) header() string { return textproto.CanonicalMIMEHeaderKey(c.Name) }

// proxyUser reads the header, which anybody could send, from configured
// proxies only.
func proxyUser(header string) extractorFunc {
	return func(r *Request) (Credential, error) {
		values := r.Header[header]
		if len(values) == 0 || !r.ViaProxy {
			return Credential{}, ErrNotMine
		}
		if len(values) > 1 || values[0] == "" {
			return Credential{}, refuse(CodeUnauthenticated, "The proxy names no single user.", errors.New("proxy header empty or repeated"))
		}
		return Credential{Kind: KindProxy, User: values[0]}, nil
	}
}

// proxyUsers accepts every user that the proxy names.
type proxyUsers struct{}

// Verify names the user.
func (proxyUsers) Verify(_ context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindProxy {
		return Identity{}, ErrNotMine
	}
	return Identity{Subject: cred.User, Name: cred.User}, nil
}
