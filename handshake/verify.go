package handshake

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/spans"
)

// Verifier judges credentials. It returns ErrNotMine (wrapped, if there is a
// reason to give) for one of another kind, and a [*Refusal] for one that it
// refuses; any other error counts as unavailable. It is called concurrently
// and must put no secret into an error.
type Verifier interface {
	Verify(ctx context.Context, cred Credential) (Identity, error)
}

// VerifierFunc lets a function be a Verifier.
type VerifierFunc func(ctx context.Context, cred Credential) (Identity, error)

// Verify calls the function.
func (f VerifierFunc) Verify(ctx context.Context, cred Credential) (Identity, error) {
	return f(ctx, cred)
}

// verify asks the verifiers in their order; the first that judges decides.
func verify(ctx context.Context, chain []Verifier, cred Credential) (Identity, error) {
	var reasons []error
	for _, v := range chain {
		id, err := judge(ctx, v, cred)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, ErrNotMine) {
			return Identity{}, err
		}
		reasons = append(reasons, err)
	}
	return Identity{}, noVerifier(cred.Kind, errors.Join(reasons...))
}

// judge asks one verifier, under a span of its own where the admission is traced.
func judge(ctx context.Context, v Verifier, cred Credential) (Identity, error) {
	if !spans.In(ctx) {
		return v.Verify(ctx, cred)
	}
	ctx, span := spans.Under(ctx, "verify "+nameOf(v), trace.SpanKindInternal)
	id, err := v.Verify(ctx, cred)
	switch {
	case err == nil:
		spans.End(span, "")
	case errors.Is(err, ErrNotMine):
		span.SetAttributes(attribute.Bool("gatehouse.not_mine", true))
		spans.End(span, "")
	default:
		spans.End(span, string(AsRefusal(err).Code))
	}
	return id, err
}

// nameOf is the name of a verifier in spans.
func nameOf(v Verifier) string {
	switch v.(type) {
	case *jwtVerifier:
		return "jwt"
	case *ticketOffice:
		return "ticket"
	case *passwords:
		return "basic"
	case *certificates:
		return "certificate"
	case proxyUsers:
		return "proxy_header"
	case *introspection:
		return "introspection"
	case *callback:
		return "callback"
	case anonymous:
		return "anonymous"
	}
	return "own" // of the program
}

// errElsewhere means that this server alone cannot judge a credential.
var errElsewhere = errors.New("not judged here")

// verifyHere is verify without the verifiers that ask another server or compute
// for long.
func verifyHere(ctx context.Context, chain []Verifier, cred Credential) (Identity, error) {
	for _, v := range chain {
		if costly(v, cred.Kind) {
			return Identity{}, errElsewhere
		}
		id, err := v.Verify(ctx, cred)
		if err == nil || !errors.Is(err, ErrNotMine) {
			return id, err
		}
	}
	return Identity{}, noVerifier(cred.Kind, ErrNotMine)
}

// costly reports whether a verifier judges a kind of credential by more than
// computing a signature or a digest, as a program's own verifier may.
func costly(v Verifier, kind Kind) bool {
	switch v := v.(type) {
	case *passwords:
		return kind == KindBasic
	case *introspection:
		return kind == KindToken
	case *callback:
		return slices.Contains(v.kinds, kind)
	case *jwtVerifier, *ticketOffice, *certificates, proxyUsers, anonymous:
		return false
	}
	return true
}

// noVerifier refuses a credential that no verifier took.
func noVerifier(kind Kind, cause error) *Refusal {
	switch kind {
	case KindToken:
		return refuse(CodeTokenInvalid, "This token is not one that is accepted here; sign in again.", cause)
	case KindTicket:
		return refuse(CodeTicketInvalid, "Tickets are not accepted here.", cause)
	default:
		return refuse(CodeUnauthenticated, "This way of signing in is not accepted here.", cause)
	}
}
