package handshake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/pattern"
)

// patternMethods are the methods of the namespaces that fit a pattern.
type patternMethods struct {
	pattern *pattern.Pattern
	methods []method
}

// Gate checks who a client is. It is safe for concurrent use.
type Gate struct {
	// Fixed once made.
	methods      []method
	namespaces   map[string][]method // by name or pattern
	patterns     []patternMethods    // methods of patterns, the best fit first
	verifiers    []Verifier
	origins      *OriginPolicy
	subprotocols *subprotocols
	cookies      *sessionCookie
	proxyHeader  string
	tickets      *ticketOffice // nil when no method accepts tickets
	bindAddress  bool          // of every ticket
	revocations  *Revocations
	memory       *Memory
	keySets      []*keySet
	client       *http.Client
	maxPayload   int
	clock        func() time.Time
	log          *slog.Logger // sampled: what comes in causes its lines
	warnings     []string
}

// ErrNoVerifier means that nobody could ever be let in.
var ErrNoVerifier = errors.New(`nobody can sign in: set jwt.hmac_secret (make one with "openssl rand -base64 48"), jwt.public_key_file or jwt.jwks_url; start with --dev to try things out; or let everybody in without a name by auth.methods: [anonymous], in Go handshake.AuthConfig{Methods: []string{handshake.MethodAnonymous}}, which namespaces with a gate of their own (namespaces.WithGate) take no notice of`)

// noVerifierError is an ErrNoVerifier that names the method without a verifier.
type noVerifierError struct {
	method, place string
	others        bool // users can come in by other methods
}

func (e *noVerifierError) Error() string {
	if !e.others {
		return ErrNoVerifier.Error()
	}
	return e.place + ": " + e.method + " is on, but nothing verifies tokens; set jwt.hmac_secret, jwt.public_key_file or jwt.jwks_url, or take " + e.method + " out"
}

func (e *noVerifierError) Is(target error) bool { return target == ErrNoVerifier }

// NewGate checks the configuration and prepares a gate. The error lists
// everything that is wrong, one line each, naming the key and what to do.
func NewGate(cfg GateConfig) (*Gate, error) {
	b := &builder{cfg: cfg.WithDefaults(), deps: cfg.Deps.withDefaults()}
	gate := b.build()
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	if cfg.Deps.Memory == nil {
		gate.Rule()
	}
	return gate, nil
}

// Rule makes the limits of this gate those of what it shares with others by [Deps.Memory]: the calls at once, and wrong
// passwords. A gate with a Memory of its own rules from the start. Of several gates the one that is taken into use
// rules, also while connections that came by an earlier gate still use that one.
func (g *Gate) Rule() {
	for _, v := range g.verifiers {
		if r, ok := v.(interface{ rule() }); ok {
			r.rule()
		}
	}
}

// Close releases the connections to other servers that are idle. Checks that
// are under way end by their own contexts.
func (g *Gate) Close() { g.client.CloseIdleConnections() }

// Warnings returns warnings, one sentence each, about settings that are valid
// and risky. A server logs them at its start.
func (g *Gate) Warnings() []string { return g.warnings }

// ReadKeySets reads the key sets at their addresses, so that the log shows a
// mistake in one before the first client comes, and a reload knows the keys at
// once. It returns when all have answered or failed, or when ctx ends; a set
// that failed is read again when it is needed.
func (g *Gate) ReadKeySets(ctx context.Context) {
	var all sync.WaitGroup
	for _, set := range g.keySets {
		all.Go(func() { _ = set.read(ctx) })
	}
	all.Wait()
}

// Origins is the policy that the gate applies to cookies and browsers.
func (g *Gate) Origins() *OriginPolicy { return g.origins }

// Check returns the identity of the client, for the namespace that it asks for.
// The error is always a [*Refusal]. It may wait for a store or another server,
// no longer than ctx and the configured limits allow.
func (g *Gate) Check(ctx context.Context, r *Request) (Identity, error) {
	id, err := g.check(ctx, r)
	if err != nil {
		return Identity{}, AsRefusal(err)
	}
	return id, nil
}

// CheckHere is [Gate.Check] for signatures, tickets and certificates only,
// which cost little and ask no other server. ok is false when the credential
// is of another kind, and was not checked.
func (g *Gate) CheckHere(ctx context.Context, r *Request) (id Identity, ok bool, err error) {
	id, err = g.checkWith(ctx, r, verifyHere)
	if errors.Is(err, errElsewhere) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, true, AsRefusal(err)
	}
	return id, true, nil
}

func (g *Gate) check(ctx context.Context, r *Request) (Identity, error) {
	return g.checkWith(ctx, r, verify)
}

type verifying func(ctx context.Context, chain []Verifier, cred Credential) (Identity, error)

func (g *Gate) checkWith(ctx context.Context, r *Request, verify verifying) (Identity, error) {
	q, err := r.read(g.maxPayload)
	if err != nil {
		return Identity{}, err
	}
	if err := g.origins.check(q); err != nil {
		return Identity{}, err
	}
	cred, err := extract(g.methodsOf(q.Namespace), q)
	if err != nil {
		return Identity{}, err
	}
	id, err := verify(ctx, g.verifiers, cred)
	if err != nil {
		return Identity{}, err
	}
	if id.Method == "" {
		id.Method = cred.Method
	}
	if id.IssuedAt.After(g.clock().Add(clockSlack)) {
		id.IssuedAt = time.Time{} // a time in the future tells nothing about the order
	}
	g.revocations.see(id)
	if err := g.checkValidity(id); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Recheck checks again whether an admitted identity has expired or has been
// revoked. A server calls it when it has registered a socket, because a
// revocation may have come between the check and that moment. The error is
// always a [*Refusal].
func (g *Gate) Recheck(id Identity) error {
	if err := g.checkValidity(id); err != nil {
		return AsRefusal(err)
	}
	return nil
}

// Revocations is the list that every check looks into.
func (g *Gate) Revocations() *Revocations { return g.revocations }

func (g *Gate) methodsOf(namespace string) []method {
	if own, ok := g.namespaces[namespace]; ok {
		return own
	}
	for _, one := range g.patterns {
		if _, ok := one.pattern.Match(namespace); ok {
			return one.methods
		}
	}
	return g.methods
}

// checkValidity checks every identity, also one from a ticket or a cache.
func (g *Gate) checkValidity(id Identity) error {
	if id.Subject == "" {
		return unavailable(errors.New("a verifier returned an identity without a subject"))
	}
	if id.Expired(g.clock()) {
		return refuse(CodeTokenExpired, "The sign-in has expired; get a new token and connect again.", errors.New("identity expired"))
	}
	if revocation, revoked := g.revocations.Revoked(id); revoked {
		if revocation.Kind == RevokeSubject && id.IssuedAt.IsZero() {
			g.log.Warn("a revocation refuses a credential that has no time of issue (iat), new ones too; have the issuer add it, or take the revocation back",
				slog.String("subject", id.Subject), slog.String("method", id.Method), slog.Time("until", revocation.Until))
		}
		return revokedRefusal(revocation)
	}
	return nil
}

// Refresh checks a new credential of an admitted client. It may prolong the
// identity, but not change its user.
func (g *Gate) Refresh(ctx context.Context, r *Request, current Identity) (Identity, error) {
	id, err := g.Check(ctx, r)
	if err != nil {
		return Identity{}, err
	}
	if id.User() != current.User() {
		return Identity{}, refuse(CodeForbidden, "This token belongs to another user; disconnect and sign in anew.",
			fmt.Errorf("refresh by another subject"))
	}
	return id, nil
}

// SessionClosed forgets the tickets that an Engine.IO session has redeemed. A
// server calls it when the session is gone.
func (g *Gate) SessionClosed(session string) {
	g.memory.redemptions.closed(session)
}
