package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// roomPattern matches names whose parts in braces are variables: "doc:{org}:{id}". A
// variable matches one or more characters other than the separator.
type roomPattern struct {
	text     string
	literals []string // the texts before, between and behind the variables: one more than there are variables
	names    []string
}

// separator stands between the parts of a room name.
const separator = ":"

// parseRoomPattern reads a pattern of room names.
func parseRoomPattern(text string) (roomPattern, error) {
	p := roomPattern{text: text}
	rest := text
	for {
		literal, behind, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return p, fmt.Errorf("%q has a } without a {", text)
		}
		p.literals = append(p.literals, literal)
		if !found {
			break
		}
		name, after, closed := strings.Cut(behind, "}")
		switch {
		case !closed:
			return p, fmt.Errorf("%q has a { without a }", text)
		case !isIdentifier(name):
			return p, fmt.Errorf("%q: {%s} is no name of a variable; use letters, digits and _", text, name)
		case slices.Contains(p.names, name):
			return p, fmt.Errorf("%q names {%s} twice", text, name)
		case len(p.names) > 0 && literal == "":
			return p, fmt.Errorf("%q has two variables with nothing between them", text)
		}
		p.names = append(p.names, name)
		rest = after
	}
	return p, p.check()
}

func (p *roomPattern) check() error {
	if p.text == "" {
		return errors.New("is empty")
	}
	if len(p.names) == 0 {
		_, err := canonical(p.text)
		return err
	}
	if strings.ContainsFunc(p.text, unseen) {
		return fmt.Errorf("%q holds a character that cannot be seen", p.text)
	}
	return nil
}

// isIdentifier reports whether a name can be a variable of an expression.
func isIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r)) && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// match returns the variables of a name, or false. A name fits in one way only: each
// variable ends where the next literal first occurs.
func (p *roomPattern) match(name string) (map[string]string, bool) {
	rest, ok := strings.CutPrefix(name, p.literals[0])
	if !ok {
		return nil, false
	}
	if len(p.names) == 0 {
		return nil, rest == ""
	}
	parts := make(map[string]string, len(p.names))
	for i, variable := range p.names {
		end := len(rest)
		if literal := p.literals[i+1]; literal != "" {
			if i == len(p.names)-1 { // the last literal stands at the end of the name
				if end = len(rest) - len(literal); end < 0 || rest[end:] != literal {
					return nil, false
				}
			} else if end = strings.Index(rest, literal); end < 0 {
				return nil, false
			}
		}
		value := rest[:end]
		if value == "" || strings.Contains(value, separator) {
			return nil, false
		}
		parts[variable] = unescape(value)
		rest = rest[min(len(rest), end+len(p.literals[i+1])):]
	}
	return parts, rest == ""
}

var (
	escaper   = strings.NewReplacer("%", "%25", separator, "%3A", "{", "%7B", "}", "%7D")
	unescaper = strings.NewReplacer("%25", "%", "%3A", separator, "%7B", "{", "%7D", "}")
)

// escape makes a value one part of a room name, whatever it holds: a subject with a
// colon in it cannot name somebody else's room.
func escape(value string) string   { return escaper.Replace(value) }
func unescape(value string) string { return unescaper.Replace(value) }
