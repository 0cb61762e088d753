package handshake

import (
	"fmt"
	"io"
)

// Secret is text that must not be shown. Printed, logged or encoded in any way
// it gives a mask; [Secret.Reveal] is the only method that returns the text,
// so that a search for it finds every use.
type Secret string

const mask = "***"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask, or nothing when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks %#v.
func (s Secret) GoString() string { return s.String() }

// Format masks every verb of fmt; %x would otherwise print the bytes.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// MarshalText masks JSON, YAML and reflecting loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
