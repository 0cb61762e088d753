package glimpse

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Hidden stands where a secret was.
const Hidden = "•••"

// secretParts are the parts by which a name is recognised as that of a secret, in lower case and without - and _.
var secretParts = []string{
	"token", "secret", "passw", "passphrase", "authorization", "cookie", "ticket", "apikey", "credential", "jwt", "privatekey", "csrf", "signature",
}

// secretNames are whole names of secrets; as parts they also occur in harmless words. "pid" is the private id that
// brings a session back.
var secretNames = []string{"auth", "pid", "pin", "otp", "key", "pwd"}

var (
	bareToken = regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]*){0,4}`)
	scheme    = regexp.MustCompile(`(?i)\b(bearer|basic|digest|negotiate)\s+[\w.~+/=-]{6,}`)
	parameter = regexp.MustCompile(`(?i)([?&;]|^)([\w-]*(?:token|secret|passw\w*|ticket|apikey|api_key|auth|signature|sid|key)[\w-]*)=[^&;#\s]+`)
)

// secretName reports whether a name is that of a secret.
func secretName(name string) bool {
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
	for _, part := range secretParts {
		if strings.Contains(plain, part) {
			return true
		}
	}
	for _, whole := range secretNames {
		if plain == whole {
			return true
		}
	}
	return false
}

// MaskText hides everything in a string that looks like a credential.
func MaskText(s string) string {
	s = bareToken.ReplaceAllString(s, Hidden)
	s = scheme.ReplaceAllString(s, "$1 "+Hidden)
	return parameter.ReplaceAllString(s, "$1$2="+Hidden)
}

// maskJSON writes JSON again and hides the values of secret names and everything that looks like a credential. With all
// set it hides every value inside of the outermost one. It fails on invalid JSON.
func maskJSON(text []byte, all bool) ([]byte, error) {
	var out bytes.Buffer
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	enc := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		err := maskNext(dec, enc, all)
		if errors.Is(err, io.EOF) {
			return bytes.TrimSpace(out.Bytes()), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// maskNext copies one token, or hides the value that comes next.
func maskNext(dec *jsontext.Decoder, enc *jsontext.Encoder, all bool) error {
	depth := dec.StackDepth()
	kind, n := dec.StackIndex(depth)
	isName := kind == '{' && n%2 == 0
	if all && depth > 0 && !isName {
		if next := dec.PeekKind(); next != ']' && next != '}' {
			return hideNext(dec, enc)
		}
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '"' {
		return enc.WriteToken(token)
	}
	s := token.String()
	if !isName {
		return enc.WriteToken(jsontext.String(MaskText(s)))
	}
	if err := enc.WriteToken(jsontext.String(MaskText(s))); err != nil {
		return err
	}
	if secretName(s) {
		return hideNext(dec, enc)
	}
	return nil
}

func hideNext(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	if err := dec.SkipValue(); err != nil {
		return err
	}
	return enc.WriteToken(jsontext.String(Hidden))
}
