package handshake

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// addVerifiers puts the chain together. Verifiers of different kinds of
// credential never compete; for tokens the order is: the program's own, JWT,
// introspection, callback.
func (b *builder) addVerifiers() {
	chain := slices.Clone(b.deps.Verifiers)
	own := len(chain) > 0
	calls := b.callbackKinds()
	issuers := b.issuers()
	asks := b.cfg.Introspection.URL != ""
	if len(issuers) > 0 {
		kinds := []Kind{KindToken}
		if !slices.Contains(calls, KindCookie) {
			kinds = append(kinds, KindCookie)
		}
		alone := !own && !asks && !slices.Contains(calls, KindToken)
		chain = append(chain, newJWTVerifier(issuers, alone, kinds...))
	}
	if asks {
		b.fail(b.cfg.Introspection.check())
		chain = append(chain, &introspection{newRemote(b.cfg.Introspection.remote(), b.deps), b.cfg.Introspection})
	}
	if len(calls) > 0 {
		b.fail(b.cfg.Callback.check())
		chain = append(chain, &callback{newRemote(b.cfg.Callback.remote(), b.deps), calls, b.cfg.Callback.secrets()})
	}
	b.gate.verifiers = append(chain, b.otherVerifiers()...)

	tokens := own || asks || len(issuers) > 0 || slices.Contains(calls, KindToken)
	b.needVerifiers(tokens, own || len(issuers) > 0 || slices.Contains(calls, KindCookie), own || slices.Contains(calls, KindBasic))
}

func (b *builder) callbackKinds() []Kind {
	if b.cfg.Callback.URL == "" {
		return nil
	}
	return b.cfg.Callback.kinds()
}

// otherVerifiers are those that only one method leads to.
func (b *builder) otherVerifiers() []Verifier {
	var chain []Verifier
	if b.isOpen(MethodTicket) {
		chain = append(chain, b.ticketOffice())
	}
	if b.isOpen(MethodBasic) && len(b.cfg.Basic.Users) > 0 {
		p, err := newPasswords(b.cfg.Basic, b.deps)
		b.fail(err)
		chain = append([]Verifier{p}, chain...)
	}
	if b.isOpen(MethodCertificate) {
		c, err := newCertificates(b.cfg.Certificate)
		b.fail(err)
		chain = append(chain, c)
	}
	if b.isOpen(MethodProxyHeader) {
		chain = append(chain, proxyUsers{})
	}
	if b.isOpen(MethodAnonymous) {
		chain = append(chain, anonymous{b.deps.Random, b.deps.Clock})
	}
	return chain
}

func (b *builder) ticketOffice() *ticketOffice {
	b.fail(b.cfg.Tickets.check())
	cfg := b.cfg.Tickets
	store := b.deps.Tickets
	if store == nil {
		store = NewMemoryTickets(cfg.MaxOpen, b.deps.Clock)
	}
	b.gate.bindAddress = cfg.BindAddress
	b.gate.tickets = &ticketOffice{
		cfg: cfg, store: store, clock: b.deps.Clock, random: b.deps.Random,
		memory: b.deps.Memory.redemptions,
	}
	return b.gate.tickets
}

// needVerifiers refuses methods without a verifier.
func (b *builder) needVerifiers(tokens, cookies, passwords bool) {
	if b.isOpen(MethodCookie) {
		b.fail(b.cfg.Cookie.check(b.cfg.Origins))
	}
	b.needs(MethodCookie, cookies, "nothing judges session cookies; set callback.url, or jwt for cookies that hold a JWT")
	b.needs(MethodBasic, passwords || len(b.cfg.Basic.Users) > 0, "there are no users; set basic.users, or callback.url with callback.kinds")
	for _, name := range []string{MethodToken, MethodBearer, MethodSubprotocol, MethodQueryToken} {
		if b.isOpen(name) && !tokens && len(b.errs) == 0 {
			b.fail(&noVerifierError{name, b.open[name], b.othersJudge()})
		}
	}
}

// othersJudge reports whether a method is open for which no token verifier is
// needed.
func (b *builder) othersJudge() bool {
	return slices.ContainsFunc([]string{MethodCookie, MethodBasic, MethodCertificate, MethodProxyHeader}, b.isOpen)
}

// issuers prepares the keys of every configured issuer.
func (b *builder) issuers() []*issuer {
	var out []*issuer
	seen := make(map[string]string) // identity of a key → where it is configured
	if b.cfg.JWT.configured() {
		out = append(out, b.issuer("jwt", b.cfg.JWT, seen))
	}
	for i, cfg := range b.cfg.Issuers {
		at := fmt.Sprintf("issuers[%d]", i)
		if !cfg.configured() {
			b.fail(fmt.Errorf("%s: has no key; set %s.public_key_file, %s.jwks_url or %s.hmac_secret", at, at, at, at))
			continue
		}
		out = append(out, b.issuer(at, cfg, seen))
	}
	b.checkIssuerNames(out)
	return out
}

// checkIssuerNames makes sure that a token's iss selects one issuer.
func (b *builder) checkIssuerNames(issuers []*issuer) {
	names := make(map[string]bool)
	for _, one := range issuers {
		if len(issuers) > 1 && (one.name == "" || names[one.name]) {
			b.fail(fmt.Errorf("issuers: with several issuers each needs its own issuer (also jwt.issuer); %q is missing or there twice", one.name))
		}
		names[one.name] = true
	}
}

func (b *builder) issuer(at string, cfg JWTConfig, seen map[string]string) *issuer {
	b.fail(cfg.check(at))
	keys, id, err := b.keys(at, cfg)
	b.fail(err)
	if other, shared := seen[id]; shared && err == nil {
		b.fail(fmt.Errorf("%s: has the same key as %s; whoever signs for one could sign for the other", at, other))
	}
	seen[id] = at
	return newIssuer(cfg, keys, b.deps.Clock)
}

// keys prepares the source of keys, and returns its identity.
func (b *builder) keys(at string, cfg JWTConfig) (keys keySource, id string, err error) {
	switch {
	case cfg.HMACSecret != "" || cfg.HMACSecretFile != "":
		return secretSource(at, cfg)
	case cfg.PublicKeyFile != "" || cfg.PrivateKeyFile != "":
		return publicKeySource(at, cfg)
	}
	if err := checkKeySet(at, cfg); err != nil {
		return nil, "", err
	}
	set := newKeySet(at, cfg, b.deps)
	if cfg.JWKSFile != "" {
		if err := set.read(context.Background()); err != nil {
			return nil, "", fmt.Errorf("%s: %w", set.at, err)
		}
	}
	b.gate.keySets = append(b.gate.keySets, set)
	return set, cfg.JWKSURL + cfg.JWKSFile, nil
}

// secretSource holds the secret and, while it is being changed, the previous
// one.
func secretSource(at string, cfg JWTConfig) (keySource, string, error) {
	secret, method, err := cfg.hmacSecret(at)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(secret)
	keys := fixedKeys{sharedSecret(method, secret)}
	if cfg.PreviousHMACSecret != "" {
		previous, err := cfg.checkSecret(at, at+".previous_hmac_secret", []byte(cfg.PreviousHMACSecret.Reveal()))
		if err != nil {
			return nil, "", err
		}
		keys = append(keys, sharedSecret(previous, []byte(cfg.PreviousHMACSecret.Reveal())))
	}
	return keys, string(sum[:]), nil
}

// publicKeySource holds the keys of a file. The first one belongs to the key
// pair.
func publicKeySource(at string, cfg JWTConfig) (keySource, string, error) {
	public, err := cfg.publicKeys(at)
	if err == nil {
		err = cfg.checkPair(at, public[0])
	}
	if err != nil {
		return nil, "", err
	}
	var keys fixedKeys
	for _, one := range public {
		method, err := methodFor(one, cfg.Algorithm)
		if err != nil {
			return nil, "", fmt.Errorf("%s.algorithm: %w", at, err)
		}
		keys = append(keys, verificationKey{method: method, key: one})
	}
	der, err := x509.MarshalPKIXPublicKey(public[0])
	if err != nil {
		return nil, "", fmt.Errorf("%s.public_key_file: %w", at, err)
	}
	return keys, string(der), nil
}

func checkKeySet(at string, cfg JWTConfig) error {
	if _, symmetric := hmacBytes(cfg.Algorithm); symmetric || cfg.Algorithm == "none" {
		return fmt.Errorf("%s.algorithm: %q does not fit a key set, which is public; use RS256, ES256 or EdDSA, or leave it out", at, cfg.Algorithm)
	}
	if cfg.JWKSURL == "" {
		return nil
	}
	if err := checkURL(cfg.JWKSURL, cfg.InsecureHTTP); err != nil {
		return fmt.Errorf("%s.jwks_url: %w (%s.insecure_http allows http to another machine)", at, err, at)
	}
	return nil
}
