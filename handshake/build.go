package handshake

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gatehouse/internal/pattern"
	"gatehouse/internal/sampled"
)

// builder turns a configuration into a gate and collects its mistakes.
type builder struct {
	cfg  GateConfig // defaults filled in
	deps Deps
	gate *Gate
	open map[string]string // the methods that are used anywhere → where first
	errs []error
}

func (b *builder) fail(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *builder) build() *Gate {
	b.open = make(map[string]string)
	b.gate = &Gate{
		clock: b.deps.Clock, client: b.deps.HTTPClient, revocations: b.deps.Revocations, memory: b.deps.Memory,
		log:        sampled.Logger(b.deps.Logger),
		maxPayload: b.cfg.Auth.MaxPayload, proxyHeader: b.cfg.ProxyHeader.header(),
	}
	if b.gate.revocations == nil {
		b.gate.revocations = NewRevocations(b.cfg.Revocation, b.deps.Clock)
	}
	if b.gate.maxPayload < 0 {
		b.fail(fmt.Errorf("auth.max_payload: %d is negative; leave it out for %d", b.gate.maxPayload, DefaultMaxPayload))
	}
	b.buildSources()
	b.openWays()
	b.addVerifiers()
	b.gate.warnings = b.warnings()
	return b.gate
}

// buildSources prepares what the methods need to read credentials.
func (b *builder) buildSources() {
	var err error
	b.gate.origins, err = newOriginPolicy(b.cfg.Origins)
	b.fail(err)
	b.gate.subprotocols, err = newSubprotocols(b.cfg.Subprotocol)
	b.fail(err)
	b.gate.cookies = &sessionCookie{name: b.cfg.Cookie.Name, insecure: b.cfg.Cookie.InsecureName, origins: b.gate.origins}
	if !b.cfg.Cookie.InsecureNoCSRF {
		b.gate.cookies.csrf = &csrf{key: []byte(b.cfg.Cookie.CSRFSecret.Reveal()), previous: []byte(b.cfg.Cookie.PreviousCSRFSecret.Reveal()), random: b.deps.Random}
	}
}

func (b *builder) openWays() {
	b.gate.methods = b.methodsNamed("auth.methods", "auth.methods", b.cfg.Auth.Methods)
	b.requireTicketSource()
	b.gate.namespaces = make(map[string][]method, len(b.cfg.Auth.Namespaces))
	for i, one := range b.cfg.Auth.Namespaces {
		at := fmt.Sprintf("auth.namespaces[%d]", i)
		if _, twice := b.gate.namespaces[one.Name]; twice || one.Name == "" || one.Name[0] != '/' {
			b.fail(fmt.Errorf("%s.name: %q must be a namespace such as /public, listed once", at, one.Name))
		}
		if len(one.Methods) == 0 {
			b.fail(fmt.Errorf("%s.methods: is empty; name the methods of %s, or remove the entry", at, one.Name))
		}
		methods := b.methodsNamed(at+".methods", "auth.namespaces: "+one.Name, one.Methods)
		b.gate.namespaces[one.Name] = methods
		if pattern.Is(one.Name) {
			p, err := pattern.Compile(one.Name)
			if err != nil {
				b.fail(fmt.Errorf("%s.name: %q %w", at, one.Name, err))
				continue
			}
			b.gate.patterns = append(b.gate.patterns, patternMethods{p, methods})
		}
	}
	slices.SortStableFunc(b.gate.patterns, func(one, other patternMethods) int {
		return cmp.Compare(other.pattern.Literals(), one.pattern.Literals())
	})
}

// methodsNamed returns the methods that the setting at lists. place names the
// setting in warnings; namespaces may have been added to it that are not in the
// file.
func (b *builder) methodsNamed(at, place string, names []string) []method {
	methods := make([]method, 0, len(names)+1)
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			b.fail(fmt.Errorf("%s: names %q twice; keep one", at, name))
		}
		if name == MethodAnonymous && i < len(names)-1 {
			b.fail(fmt.Errorf("%s: %q must be the last, because it lets everybody in", at, name))
		}
		opened := b.methodsCalled(name)
		if opened == nil {
			b.fail(fmt.Errorf("%s: %q is no method; there are %v", at, name, knownMethods()))
		}
		if !b.isOpen(name) {
			b.open[name] = place
		}
		methods = append(methods, opened...)
	}
	return methods
}

func (b *builder) isOpen(name string) bool { return b.open[name] != "" }

// requireTicketSource refuses tickets that nobody can get: asking for one takes
// another credential, and without a certain namespace auth.methods decide which.
func (b *builder) requireTicketSource() {
	if methods := b.cfg.Auth.Methods; len(methods) == 1 && methods[0] == MethodTicket {
		b.fail(errors.New("auth.methods: has ticket alone, and a ticket is given for another credential only; add the method that POST /auth/tickets is to take, such as bearer, token or cookie"))
	}
}

func knownMethods() []string {
	return []string{
		MethodToken, MethodTicket, MethodBearer, MethodSubprotocol, MethodCookie, MethodBasic, MethodCertificate, MethodProxyHeader, MethodQueryToken, MethodAnonymous,
	}
}

// methodsCalled returns the extractors behind one configured name.
func (b *builder) methodsCalled(name string) []method {
	transport := func(e extractor) []method { return []method{{name, e, false}} }
	switch name {
	case MethodToken:
		return []method{{name, extractorFunc(tokenFromPayload), true}}
	case MethodTicket:
		return []method{{name, extractorFunc(ticketFromPayload), true}, {name, extractorFunc(ticketFromQuery), false}}
	case MethodBearer:
		return transport(extractorFunc(tokenFromHeader))
	case MethodSubprotocol:
		return transport(b.gate.subprotocols)
	case MethodCookie:
		return transport(b.gate.cookies)
	case MethodBasic:
		return transport(extractorFunc(userFromHeader))
	case MethodCertificate:
		return transport(extractorFunc(certificateOf))
	case MethodProxyHeader:
		return transport(proxyUser(b.gate.proxyHeader))
	case MethodQueryToken:
		return transport(extractorFunc(tokenFromQuery))
	case MethodAnonymous:
		return []method{{name, anonymous{b.deps.Random, b.deps.Clock}, true}}
	}
	return nil
}

// warnings returns warnings about settings that are valid but risky.
func (b *builder) warnings() []string {
	var out []string
	for _, w := range []struct {
		on   bool
		text string
	}{
		{slices.Contains(b.cfg.Auth.Methods, MethodAnonymous), "auth.methods has anonymous: every namespace without methods of its own is open to everybody; list the open ones under auth.namespaces"},
		{b.isOpen(MethodQueryToken), b.open[MethodQueryToken] + " has query_token: addresses with tokens end up in logs, histories and Referer headers; prefer a ticket"},
		{b.isOpen(MethodBasic), b.open[MethodBasic] + " has basic: browsers are giving up passwords in addresses, and every connection costs a slow hash"},
		{b.cfg.Origins.InsecureAllowAny, "origins.insecure_allow_any: pages of every site may connect"},
		{b.cfg.Origins.AllowLocalhost, "origins.allow_localhost: every page of this machine may connect; for development only"},
		{b.isOpen(MethodCookie) && b.cfg.Cookie.InsecureName, "cookie.insecure_name: a cookie without __Host- can be overwritten by other hosts of the domain, or over http"},
		{b.isOpen(MethodCookie) && b.cfg.Cookie.InsecureNoCSRF, "cookie.insecure_no_csrf: only the Origin header keeps foreign pages out"},
		{b.cfg.Callback.InsecureHTTP, "callback.insecure_http: credentials cross the network in the clear"},
		{b.cfg.JWT.InsecureHTTP || slices.ContainsFunc(b.cfg.Issuers, func(c JWTConfig) bool { return c.InsecureHTTP }), "jwt.insecure_http: whoever is on the way can put a key of their own into the key set, and sign tokens with it"},
		{b.cfg.Introspection.InsecureHTTP, "introspection.insecure_http: tokens cross the network in the clear"},
	} {
		if w.on {
			out = append(out, w.text)
		}
	}
	return out
}

// needs refuses a method without a verifier.
func (b *builder) needs(name string, judged bool, what string) {
	if b.isOpen(name) && !judged {
		b.fail(errors.New(b.open[name] + ": " + name + " is on, but " + what))
	}
}
