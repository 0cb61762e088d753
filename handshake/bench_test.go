package handshake

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkCheck checks the token of a client's first message.
func BenchmarkCheck(b *testing.B) {
	g, err := NewGate(GateConfig{JWT: JWTConfig{HMACSecret: secret}, Deps: Deps{Clock: atNoon}})
	if err != nil {
		b.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, good("name", "Ann", "scope", "chat orders")).SignedString([]byte(secret))
	if err != nil {
		b.Fatal(err)
	}
	r := auth(token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Check(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
