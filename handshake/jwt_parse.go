package handshake

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// token is a JWT in its parts (RFC 7515, section 3.1). The library's parser would read
// the header into a map and prepare the key anew for each token, which was half of the
// cost of a check; its validation of claims and its signatures are used.
type token struct {
	header    object
	claims    tokenClaims
	signed    string // header and claims, as they were signed
	signature []byte
	alg       string // an algorithm that the library knows; it decides nothing
}

// strictBase64 refuses a text if another one decodes to the same bytes.
var strictBase64 = base64.RawURLEncoding.Strict()

// takeApart reads a text of three parts without line breaks. Nothing is verified. The
// error is one of the library's.
func takeApart(raw string) (*token, error) {
	header, rest, _ := strings.Cut(raw, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	t := &token{signed: raw[:len(header)+1+len(claims)]}
	room := make([]byte, 0, strictBase64.DecodedLen(len(raw))) // of all parts
	var err error
	if t.header, room, err = objectPart(room, header); err != nil {
		return nil, err
	}
	if t.claims.object, room, err = objectPart(room, claims); err != nil {
		return nil, err
	}
	var ok bool
	if t.alg, ok = stringOf(t.header.get("alg")); !ok || jwt.GetSigningMethod(t.alg) == nil {
		return nil, fmt.Errorf("%w: no algorithm that is known (alg)", jwt.ErrTokenUnverifiable)
	}
	start := len(room)
	if room, err = strictBase64.AppendDecode(room, []byte(signature)); err != nil {
		return nil, fmt.Errorf("%w: signature", jwt.ErrTokenMalformed)
	}
	t.signature = room[start:]
	return t, nil
}

// objectPart reads a part that is an object, whose text it appends to room.
func objectPart(room []byte, part string) (object, []byte, error) {
	start := len(room)
	room, err := strictBase64.AppendDecode(room, []byte(part))
	if err != nil {
		return nil, room, fmt.Errorf("%w: no base64url", jwt.ErrTokenMalformed)
	}
	o, err := readObject(room[start:len(room):len(room)])
	if err != nil {
		return nil, room, fmt.Errorf("%w: %w", jwt.ErrTokenMalformed, err)
	}
	return o, room, nil
}

// macs verify HMACs of one secret, and prepare it once for many tokens. They are safe
// for concurrent use.
type macs struct{ pool sync.Pool }

// mac is an HMAC with a buffer for its input.
type mac struct {
	hash hash.Hash
	text []byte
	sum  []byte
}

// newMACs returns nil for a method without a shared secret.
func newMACs(method jwt.SigningMethod, secret []byte) *macs {
	m, ok := method.(*jwt.SigningMethodHMAC)
	if !ok {
		return nil
	}
	return &macs{sync.Pool{New: func() any { return &mac{hash: hmac.New(m.Hash.New, secret)} }}}
}

// verify compares in constant time.
func (m *macs) verify(signed string, signature []byte) error {
	one := m.pool.Get().(*mac)
	defer m.pool.Put(one)
	one.hash.Reset()
	one.text = append(one.text[:0], signed...)
	_, _ = one.hash.Write(one.text) // never fails
	one.sum = one.hash.Sum(one.sum[:0])
	if !hmac.Equal(signature, one.sum) {
		return jwt.ErrSignatureInvalid
	}
	return nil
}
