package handshake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
)

// csrf makes and checks tokens that only a page of an allowed origin can know:
// an HMAC over the session and a random part, so that one session's token is
// of no use in another (OWASP: signed double-submit, bound to the session).
type csrf struct {
	key      []byte
	previous []byte // of tokens made before a change; empty without one
	random   io.Reader
}

const csrfRandomBytes = 16

func (c *csrf) token(session Secret) (string, error) {
	random := make([]byte, csrfRandomBytes, csrfRandomBytes+sha256.Size)
	if _, err := io.ReadFull(c.random, random); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(random, sum(c.key, session, random)...)), nil
}

func sum(key []byte, session Secret, random []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(random) // of fixed length, so the parts cannot be shifted
	mac.Write([]byte(session.Reveal()))
	return mac.Sum(nil)
}

func (c *csrf) check(session Secret, token string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != csrfRandomBytes+sha256.Size {
		return errors.New("csrf token missing or malformed")
	}
	given, random := raw[csrfRandomBytes:], raw[:csrfRandomBytes]
	if !hmac.Equal(given, sum(c.key, session, random)) && (len(c.previous) == 0 || !hmac.Equal(given, sum(c.previous, session, random))) {
		return errors.New("csrf token is of another session")
	}
	return nil
}
