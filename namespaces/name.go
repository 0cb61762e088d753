package namespaces

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/packet"
)

// reservedPrefix starts the events of a session's life. No handler, relay or emit can use them.
const reservedPrefix = "auth:"

// CheckEvent refuses event names that have a meaning of their own, with an ErrReservedName: neither handlers nor emits can
// use them.
func CheckEvent(name string) error {
	if name == "" || packet.Reserved(name) || strings.HasPrefix(name, reservedPrefix) {
		return fmt.Errorf("event %q: %w", name, ErrReservedName)
	}
	return nil
}

// checkNamespace refuses names that the wire cannot carry: a comma ends a namespace there, and clients cut at '?'.
func checkNamespace(name string) error {
	switch {
	case !strings.HasPrefix(name, "/"):
		return errors.New("does not begin with a slash")
	case len(name) > packet.DefaultMaxNamespace:
		return fmt.Errorf("longer than %d bytes", packet.DefaultMaxNamespace)
	case strings.ContainsAny(name, ",?") || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name):
		return errors.New("holds a comma, a question mark, a control character or invalid UTF-8")
	default:
		return nil
	}
}

// idBytes is the size of a socket id: 120 bits, 20 characters, as Node's.
const idBytes = 15

// newID returns a public socket id. It has nothing to do with the Engine.IO session id, which is a secret.
func newID(random io.Reader) (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make socket id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
