package token_test

import (
	"testing"
	"time"

	"gatehouse/bench/token"
)

// The signature was computed with another implementation (openssl dgst -sha256 -hmac).
const golden = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJpYXQiOjEwMDAsImV4cCI6NDYwMCwianRpIjoiYWRhLTEwMDAifQ."

const signature = "Fl-1N50WKNKcRp260VtqYWdNLL2wDsWMOPr4wHZYaNs"

func TestTokensAreSigned(t *testing.T) {
	at := func() time.Time { return time.Unix(1000, 0) }
	got := token.NewSigner("secret", at).Sign("ada")
	if want := golden + signature; got != want {
		t.Errorf("token is %s, want %s", got, want)
	}
}
