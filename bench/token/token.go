// Package token signs the tokens that the load tool's clients bring: HS256, RFC 7515 and 7519.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// header is the protected header of every token: {"alg":"HS256","typ":"JWT"}.
const header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

// claims are what the servers read: who it is and how long the token is good.
type claims struct {
	Sub string `json:"sub"`
	Iat int64  `json:"iat"`
	Exp int64  `json:"exp"`
	Jti string `json:"jti"`
}

// Signer makes tokens of one HMAC secret. It is safe for concurrent use.
type Signer struct {
	secret []byte
	now    func() time.Time
}

// NewSigner returns a signer whose tokens are issued at the time that now tells.
func NewSigner(secret string, now func() time.Time) Signer {
	return Signer{secret: []byte(secret), now: now}
}

// Sign returns a token for one user, good for an hour.
func (s Signer) Sign(user string) string {
	at := s.now().Unix()
	body, err := json.Marshal(claims{Sub: user, Iat: at, Exp: at + 3600, Jti: fmt.Sprintf("%s-%d", user, at)})
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	signed := header + "." + base64.RawURLEncoding.EncodeToString(body)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
