package relay

import "strings"

// innerNamespace is what the variable "namespace" is called inside: CEL keeps that
// word for itself. The names are equally long, so that errors point to the right
// column.
const innerNamespace = "nameSpace"

// withNamespace renames the variable in an expression, outside of string literals.
func withNamespace(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		n := 1
		switch c := rest[0]; {
		case c == '"' || c == '\'':
			n = literal(rest, strings.HasSuffix(b.String(), "r") || strings.HasSuffix(b.String(), "R"))
		case isIdentifier(rest[:1]):
			n = len(rest) - len(strings.TrimLeftFunc(rest, func(r rune) bool { return r < 128 && isIdentifier("_"+string(r)) }))
			if rest[:n] == "namespace" && !strings.HasSuffix(strings.TrimRight(b.String(), " "), ".") {
				b.WriteString(innerNamespace)
				rest = rest[n:]
				continue
			}
		}
		b.WriteString(rest[:n])
		rest = rest[n:]
	}
	return b.String()
}

// literal returns the length of the string literal that begins here, with its
// quotes. In a raw literal a backslash means nothing. A literal without an end is
// left to the parser.
func literal(s string, raw bool) int {
	quote := s[:1]
	if three := strings.Repeat(quote, 3); strings.HasPrefix(s, three) {
		quote = three
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		}
	}
	return len(s)
}
