package handshake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// parts makes a token's text of its header, claims and signature.
func parts(header, claims, signature string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + base64.RawURLEncoding.EncodeToString([]byte(signature))
}

func TestATokenIsTakenApart(t *testing.T) {
	for text, want := range map[string]error{
		parts(`{"alg":"HS256"}`, `{"sub":"ann"}`, "x"):                    nil,
		parts(` {"kid":null,"alg":"RS256"} `, ` {} `, ""):                 nil,
		parts(`{"alg":"none"}`, `{}`, ""):                                 nil, // no key is for it
		parts(`{"alg":"HS257"}`, `{}`, "x"):                               jwt.ErrTokenUnverifiable,
		parts(`{"alg":256}`, `{}`, "x"):                                   jwt.ErrTokenUnverifiable,
		parts(`{}`, `{}`, "x"):                                            jwt.ErrTokenUnverifiable,
		parts(`{"alg":"HS256","alg":"none"}`, `{}`, "x"):                  jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, `{"sub":"ann","sub":"bob"}`, "x"):        jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, `["sub"]`, "x"):                          jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, `null`, "x"):                             jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}{}`, `{}`, "x"):                             jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, ``, "x"):                                 jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, `{}`, "x") + "=":                         jwt.ErrTokenMalformed,
		strings.TrimSuffix(parts(`{"alg":"HS256"}`, `{}`, "x"), "A"):      jwt.ErrTokenMalformed,
		parts(`{"alg":"HS256"}`, `{}`, "")[:8] + "+.e30.":                 jwt.ErrTokenMalformed,
		strings.Replace(parts(`{"alg":"HS256"}`, `{}`, ""), ".", "..", 1): jwt.ErrTokenMalformed,
	} {
		if _, err := takeApart(text); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// A secret's HMACs are those of the library, one after another and of many at once.
func TestSignaturesOfASharedSecretAreTheLibrarys(t *testing.T) {
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		key := sharedSecret(method, []byte(secret))
		for _, text := range []string{"", "a.b", strings.Repeat("c", 1000), "a.b"} {
			signature, err := method.Sign(text, []byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			if err := key.verify(text, signature); err != nil {
				t.Errorf("%s of %d bytes: %v", method.Alg(), len(text), err)
			}
			for _, wrong := range [][]byte{nil, signature[1:], slices.Concat(signature, []byte{0}), append([]byte{signature[0] ^ 1}, signature[1:]...)} {
				if err := key.verify(text, wrong); !errors.Is(err, jwt.ErrSignatureInvalid) {
					t.Errorf("%s takes %x: %v", method.Alg(), wrong, err)
				}
			}
		}
	}
}

// FuzzTakeApart compares the reader with the library, which must read the same.
func FuzzTakeApart(f *testing.F) {
	f.Add(parts(`{"alg":"HS256","typ":"JWT","kid":"k"}`, `{"sub":"ann","exp":1}`, "signature"))
	f.Add(parts(`{"alg":"none"}`, `{}`, ""))
	f.Add("e30.e30.e31")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, ".") != 2 || strings.ContainsAny(text, "\r\n") {
			return
		}
		got, err := takeApart(text)
		if err != nil {
			return
		}
		want, split, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(text, jwt.MapClaims{})
		if err != nil {
			t.Fatalf("the library refuses %q: %v", text, err)
		}
		kid, isText := stringOf(got.header.get("kid"))
		wantKid, wantText := want.Header["kid"].(string)
		if got.alg != want.Method.Alg() || kid != wantKid || isText != wantText || len(got.header) != len(want.Header) ||
			got.signed != strings.Join(split[:2], ".") || !bytes.Equal(got.signature, want.Signature) {
			t.Fatalf("%q is\n%+v, for the library\n%+v", text, got, want)
		}
	})
}
