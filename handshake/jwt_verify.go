package handshake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// jwtVerifier verifies JWTs of one or several issuers. It keeps the rules of
// RFC 8725: the algorithm comes from the key, and nothing in a token's header
// but kid and typ is looked at.
type jwtVerifier struct {
	kinds    []Kind
	issuers  []*issuer
	sole     bool // no other verifier judges tokens: a wrong iss is a refusal
	maxBytes int
}

// issuer is one party that signs tokens, with keys of its own.
type issuer struct {
	name          string // exact iss; empty accepts any
	keys          keySource
	validator     *jwt.Validator
	claims        ClaimNames
	leeway        time.Duration
	clock         func() time.Time
	accessToken   bool // only typ at+jwt
	maxTokenBytes int
}

func newIssuer(cfg JWTConfig, keys keySource, clock func() time.Time) *issuer {
	leeway := max(cfg.Leeway, 0)
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(clock),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if len(cfg.Audience) > 0 {
		options = append(options, jwt.WithAudience(cfg.Audience...))
	}
	return &issuer{
		name: cfg.Issuer, keys: keys, validator: jwt.NewValidator(options...), claims: cfg.Claims,
		leeway: leeway, clock: clock, accessToken: cfg.RequireAccessToken, maxTokenBytes: cfg.MaxBytes,
	}
}

// newJWTVerifier makes a verifier for credentials of the given kinds. alone
// means that no other verifier judges tokens.
func newJWTVerifier(issuers []*issuer, alone bool, kinds ...Kind) *jwtVerifier {
	v := &jwtVerifier{kinds: kinds, issuers: issuers, sole: alone && len(issuers) == 1}
	for _, one := range issuers {
		v.maxBytes = max(v.maxBytes, one.maxTokenBytes)
	}
	return v
}

// Verify judges a JWT. It returns ErrNotMine for other texts, and for tokens
// of an issuer that is not configured here.
func (v *jwtVerifier) Verify(ctx context.Context, cred Credential) (Identity, error) {
	if !slices.Contains(v.kinds, cred.Kind) {
		return Identity{}, ErrNotMine
	}
	raw := cred.Secret.Reveal()
	if len(raw) > v.maxBytes {
		return Identity{}, refuse(CodeTokenInvalid, fmt.Sprintf("The token is larger than %d bytes.", v.maxBytes), errors.New("token over its size limit"))
	}
	if strings.Count(raw, ".") != 2 {
		return Identity{}, fmt.Errorf("jwt: not three parts: %w", ErrNotMine)
	}
	if strings.ContainsAny(raw, "\r\n") { // base64 decoders skip them: one token would have many texts
		return Identity{}, tokenRefusal(jwt.ErrTokenMalformed)
	}
	t, err := takeApart(raw)
	if err != nil {
		return Identity{}, tokenRefusal(err)
	}
	from, err := v.issuerOf(&t.claims, len(raw))
	if err == nil {
		err = from.verify(ctx, t)
	}
	if err != nil {
		return Identity{}, tokenRefusal(err)
	}
	if err := from.validator.Validate(&t.claims); err != nil {
		return Identity{}, from.early(err, t.claims.object)
	}
	return from.identity(t.claims.object)
}

// issuerOf selects by the unverified iss. That is safe because an issuer's
// keys verify only its own tokens: the name is compared again afterwards.
func (v *jwtVerifier) issuerOf(claims *tokenClaims, size int) (*issuer, error) {
	name, _ := claims.GetIssuer()
	for _, one := range v.issuers {
		if one.name != name && one.name != "" && !v.sole {
			continue
		}
		if size > one.maxTokenBytes {
			return nil, refuse(CodeTokenInvalid, fmt.Sprintf("The token is larger than %d bytes.", one.maxTokenBytes), errors.New("token over its issuer's size limit"))
		}
		return one, nil
	}
	return nil, fmt.Errorf("jwt: the token's issuer is not configured: %w", ErrNotMine)
}

// verify checks the signature with the key or, where several fit, with each of them.
func (i *issuer) verify(ctx context.Context, t *token) error {
	keys, err := i.keysFor(ctx, t)
	if err != nil {
		return fmt.Errorf("%w: %w", jwt.ErrTokenUnverifiable, err)
	}
	for _, key := range keys {
		if key.method.Alg() != t.alg {
			return errWrongAlgorithm
		}
	}
	for _, key := range keys {
		if err = key.verify(t.signed, t.signature); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", jwt.ErrTokenSignatureInvalid, err)
}

// keysFor checks the header and looks up the keys. Without an error there is at least one. jku, x5u, jwk and x5c are
// never read: a token cannot bring its own key.
func (i *issuer) keysFor(ctx context.Context, t *token) ([]verificationKey, error) {
	if t.header.get("crit") != nil {
		return nil, errors.New("header crit names extensions that are not known here")
	}
	if i.accessToken && !isAccessToken(t.header.get("typ")) {
		return nil, errors.New("header typ is not at+jwt")
	}
	value := t.header.get("kid")
	kid, ok := stringOf(value)
	if !ok && value != nil && value.Kind() != 'n' {
		return nil, errors.New("header kid is not a string")
	}
	keys, err := i.keys.find(ctx, kid, t.alg)
	if err == nil && len(keys) == 0 {
		err = errUnknownKey // no source does that
	}
	return keys, err
}

// isAccessToken compares a media type as RFC 9068, section 4 and RFC 7515,
// section 4.1.9 ask: without case, the prefix application/ left out or not.
func isAccessToken(typ jsontext.Value) bool {
	name, _ := stringOf(typ)
	name = strings.ToLower(name)
	return name == "at+jwt" || name == "application/at+jwt"
}

func (i *issuer) identity(claims object) (Identity, error) {
	id := i.claims.identity(claims)
	if id.Subject == "" {
		return Identity{}, refuse(CodeTokenInvalid, "The token names no user; it needs a subject (sub).", errors.New("no subject claim"))
	}
	if id.ExpiresAt.IsZero() {
		return Identity{}, refuse(CodeTokenInvalid, "The token's expiry (exp) cannot be read.", errors.New("exp out of range"))
	}
	id.ExpiresAt = endWithin(id.ExpiresAt, i.leeway, i.clock())
	return id, nil
}

// endWithin returns when an identity ends: with its token or, if only the leeway made the token acceptable, with the
// leeway.
func endWithin(end time.Time, leeway time.Duration, now time.Time) time.Time {
	if now.Before(end) {
		return end
	}
	return end.Add(leeway)
}

// soon is how far in the future a token's start may lie for the refusal to count as passing.
const soon = time.Minute

// early is the refusal of claims that did not validate. A token whose only fault
// is that it starts in a moment is a passing cause.
func (i *issuer) early(err error, claims object) error {
	start, ok := instant(claims.get("nbf"))
	others := []error{jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenExpired, jwt.ErrInvalidType}
	if !ok || !errors.Is(err, jwt.ErrTokenNotValidYet) || slices.ContainsFunc(others, func(one error) bool { return errors.Is(err, one) }) {
		return tokenRefusal(err)
	}
	return notYet(start, i.clock())
}

// notYet refuses a token before its start (nbf).
func notYet(start, now time.Time) *Refusal {
	refusal := refuse(CodeTokenInvalid, "The token is not valid yet (nbf); check the clocks.", fmt.Errorf("not valid before %s", start.UTC().Format(time.RFC3339)))
	if wait := start.Sub(now); wait <= soon {
		refusal.Code, refusal.RetryAfter = CodeUnavailable, max(wait, time.Second)
	}
	return refusal
}

// tokenRefusal turns the library's error into a refusal. Its text is not kept:
// it may quote parts of the token.
func tokenRefusal(err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	if errors.Is(err, ErrNotMine) {
		return fmt.Errorf("jwt: not an issuer of ours: %w", ErrNotMine)
	}
	for _, known := range tokenFaults() {
		if errors.Is(err, known.err) {
			return refuse(known.code, known.message, fmt.Errorf("jwt: %w", known.err))
		}
	}
	return refuse(CodeTokenInvalid, "The token cannot be accepted; sign in again.", errors.New("jwt: "+plainCause(err)))
}

// tokenFault is the code and the message for an error of the library.
type tokenFault struct {
	err     error
	code    Code
	message string
}

// tokenFaults are searched in order: a token that is both expired and wrong counts as wrong, because renewing it
// would not help.
func tokenFaults() []tokenFault {
	return []tokenFault{
		{errWrongAlgorithm, CodeTokenInvalid, "The token is signed with an algorithm that is not accepted here."},
		{errUnknownKey, CodeTokenInvalid, "The token is signed with a key that is not known here; sign in again."},
		{errTooManyKeys, CodeTokenInvalid, "The token must say which key it is signed with (kid)."},
		{jwt.ErrTokenMalformed, CodeTokenInvalid, "This is not a JSON Web Token; send the token as you received it."},
		{jwt.ErrTokenSignatureInvalid, CodeTokenInvalid, "The token's signature is wrong; sign in again."},
		{jwt.ErrTokenRequiredClaimMissing, CodeTokenInvalid, "The token lacks a claim that is required here (exp, and iss or aud when configured)."},
		{jwt.ErrTokenInvalidIssuer, CodeTokenInvalid, "The token comes from another issuer (iss)."},
		{jwt.ErrTokenInvalidAudience, CodeTokenInvalid, "The token is meant for another audience (aud)."},
		{jwt.ErrTokenNotValidYet, CodeTokenInvalid, "The token is not valid yet (nbf); check the clocks."},
		{jwt.ErrTokenExpired, CodeTokenExpired, "The token has expired; get a new one and connect again."},
	}
}

// plainCause keeps the texts of this package's errors, and nothing from the
// token.
func plainCause(err error) string {
	if errors.Is(err, jwt.ErrTokenUnverifiable) {
		return "header not accepted (alg, typ, crit or kid)"
	}
	return "not valid"
}
