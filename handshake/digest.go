package handshake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
)

// Digest is a digest of the credentials that a transport came with; zero when
// it came with none. A session keeps it, so that it need not keep the
// credentials themselves.
func (g *Gate) Digest(r *Request) [32]byte {
	var h hash.Hash // nil until something is found
	add := func(name string, values ...string) {
		for _, value := range values {
			if h == nil {
				h = sha256.New()
			}
			writePart(h, name)
			writePart(h, value)
		}
	}
	add("authorization", r.Header["Authorization"]...)
	add("query token", r.Query["token"]...)
	add("query ticket", r.Query["ticket"]...)
	if value, err := g.cookies.value(r); err == nil {
		add("cookie", value.Reveal())
	}
	if token, _, err := g.subprotocols.read(r.Header["Sec-Websocket-Protocol"]); err == nil && token != "" {
		add("subprotocol", token.Reveal())
	}
	if leaf := verifiedLeaf(r); leaf != nil {
		add("certificate", string(leaf.Raw))
	}
	if r.ViaProxy {
		add("proxy", r.Header[g.proxyHeader]...)
	}
	if h == nil {
		return [32]byte{}
	}
	return [32]byte(h.Sum(nil))
}

func writePart(h hash.Hash, part string) {
	_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
}

// CheckLater checks a later HTTP request of a session that was opened with
// credentials of the given digest. The same credentials, or none, pass. Others
// are verified, and pass only if they are those of the given identity, which
// is nil while nobody has been admitted. The session's identity does not
// change in any case. The error is always a [*Refusal].
func (g *Gate) CheckLater(ctx context.Context, opened [32]byte, current *Identity, later *Request) error {
	digest := g.Digest(later)
	if digest == ([32]byte{}) || digest == opened {
		return nil
	}
	r := *later
	r.Auth, r.later = nil, true
	id, err := g.Check(ctx, &r)
	if errors.Is(err, errNoCredential) {
		return nil // a cookie, say, where no method reads cookies
	}
	if err != nil {
		return err
	}
	if current != nil && id.User() != current.User() {
		return refuse(CodeForbidden, "This session belongs to another user.", fmt.Errorf("later request with another subject"))
	}
	return nil
}
