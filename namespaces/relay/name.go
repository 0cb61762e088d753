package relay

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestName is the most bytes that the name of a room may have.
const longestName = 256

// canonical returns the form of a room name by which it is matched, joined and
// compared: Unicode's NFC. A name that looks like another one on a screen, because
// of invisible characters, is refused. So is a name that looks like the id of a
// socket, as that stands for a room of the socket alone.
func canonical(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("the room needs a name")
	case len(name) > longestName:
		return "", fmt.Errorf("the name of a room has at most %d bytes", longestName)
	case !utf8.ValidString(name):
		return "", errors.New("the name of the room is no valid UTF-8")
	case strings.ContainsFunc(name, unseen):
		return "", errors.New("the name of the room holds a character that cannot be seen")
	case strings.TrimSpace(name) != name:
		return "", errors.New("the name of the room begins or ends with a blank")
	}
	name = norm.NFC.String(name)
	switch {
	case len(name) > longestName:
		return "", fmt.Errorf("the name of a room has at most %d bytes", longestName)
	case likeSocketID(name):
		return "", errors.New("the name of the room looks like the id of a socket")
	}
	return name, nil
}

// unseen reports whether a character is invisible: controls, formats such as U+202E,
// separators of lines, and code points that mean nothing.
func unseen(r rune) bool {
	return !unicode.IsGraphic(r) || r == utf8.RuneError || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// likeSocketID reports whether a name has the form of a socket's id: 20 characters
// of base64url.
func likeSocketID(name string) bool {
	return len(name) == 20 && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || '9' < r) && (r < 'A' || 'Z' < r) && (r < 'a' || 'z' < r)
	})
}
