package handshake

import (
	"errors"
	"fmt"
	"slices"
)

// builder turns a configuration into a gate and collects what is wrong with it.
type builder struct {
	cfg  GateConfig
	deps Deps
	errs []error
}

func (b *builder) fail(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *builder) build() *Gate {
	g := &Gate{clock: b.deps.Clock, maxPayload: b.cfg.Auth.MaxPayload}
	if g.maxPayload == 0 {
		g.maxPayload = DefaultMaxPayload
	}
	if g.maxPayload < 0 {
		b.fail(fmt.Errorf("auth.max_payload: %d is negative; leave it out for %d", g.maxPayload, DefaultMaxPayload))
	}
	var err error
	g.origins, err = NewOriginPolicy(b.cfg.Origins)
	b.fail(err)
	b.openWays(g)
	b.addVerifiers(g)
	return g
}

var defaultWays = []string{WayToken, WayBearer}

func (b *builder) openWays(g *Gate) {
	names := b.cfg.Auth.Ways
	if len(names) == 0 {
		names = defaultWays
	}
	g.ways = b.waysNamed("auth.ways", names)
	g.namespaces = make(map[string][]way, len(b.cfg.Auth.Namespaces))
	for i, one := range b.cfg.Auth.Namespaces {
		at := fmt.Sprintf("auth.namespaces[%d]", i)
		if _, twice := g.namespaces[one.Name]; twice || one.Name == "" || one.Name[0] != '/' {
			b.fail(fmt.Errorf("%s.name: %q must be a namespace such as /public, listed once", at, one.Name))
		}
		if len(one.Ways) == 0 {
			b.fail(fmt.Errorf("%s.ways: is empty; name the ways into %s, or remove the entry", at, one.Name))
		}
		g.namespaces[one.Name] = b.waysNamed(at+".ways", one.Ways)
	}
}

func (b *builder) waysNamed(at string, names []string) []way {
	ways := make([]way, 0, len(names))
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			b.fail(fmt.Errorf("%s: names %q twice; keep one", at, name))
		}
		opened, ok := b.waysCalled(name)
		if !ok {
			b.fail(fmt.Errorf("%s: %q is no way in; there are %v", at, name, knownWays))
		}
		ways = append(ways, opened...)
	}
	return ways
}

var knownWays = []string{WayToken, WayBearer}

// waysCalled returns the extractors behind one configured name.
func (b *builder) waysCalled(name string) ([]way, bool) {
	switch name {
	case WayToken:
		return []way{{name, ExtractorFunc(tokenFromPayload), true}}, true
	case WayBearer:
		return []way{{name, ExtractorFunc(tokenFromHeader), false}}, true
	}
	return nil, false
}

func (b *builder) addVerifiers(g *Gate) {
	g.verifiers = slices.Clone(b.deps.Verifiers)
	if issuers := b.issuers(); len(issuers) > 0 {
		g.verifiers = append(g.verifiers, newJWTVerifier(issuers, len(g.verifiers) == 0, KindToken))
	}
	if len(g.verifiers) == 0 && len(b.errs) == 0 {
		b.fail(ErrNoVerifier)
	}
}

// issuers prepares the keys of every configured issuer.
func (b *builder) issuers() []*issuer {
	var out []*issuer
	if b.cfg.JWT.configured() {
		out = append(out, b.issuer("jwt", b.cfg.JWT))
	}
	for i, cfg := range b.cfg.Issuers {
		at := fmt.Sprintf("issuers[%d]", i)
		if !cfg.configured() {
			b.fail(fmt.Errorf("%s: has no key; set %s.public_key_file, %s.jwks_url or %s.hmac_secret", at, at, at, at))
			continue
		}
		out = append(out, b.issuer(at, cfg))
	}
	return out
}

func (b *builder) issuer(at string, cfg JWTConfig) *issuer {
	b.fail(cfg.check(at))
	keys, err := b.keys(at, cfg)
	b.fail(err)
	return newIssuer(cfg, keys, b.deps.Clock)
}

func (b *builder) keys(at string, cfg JWTConfig) (keySource, error) {
	switch {
	case cfg.HMACSecret != "" || cfg.HMACSecretFile != "":
		secret, method, err := cfg.hmacSecret(at)
		return fixedKey{method, secret}, err
	case cfg.PublicKeyFile != "" || cfg.PrivateKeyFile != "":
		public, err := cfg.publicKey(at)
		if err != nil {
			return nil, err
		}
		method, err := methodFor(public, cfg.Algorithm)
		if err != nil {
			return nil, fmt.Errorf("%s.algorithm: %w", at, err)
		}
		return fixedKey{method, public}, nil
	}
	return nil, errors.New(at + ": key sets are not supported yet; use public_key_file")
}
