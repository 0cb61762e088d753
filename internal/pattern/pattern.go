// Package pattern matches names against patterns with named parts, such as /tenant-{org}: the names of namespaces that are
// made when a client asks for them, and of those that have methods of signing in of their own.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Pattern is a name with parts in braces. It is immutable.
type Pattern struct {
	text     string
	parts    []string
	literals int
	match    *regexp.Regexp
}

// Is reports whether a text has parts in braces; otherwise it is a name.
func Is(text string) bool { return strings.ContainsAny(text, "{}") }

// Compile reads a pattern. A part matches one or more characters, slashes not among them. A pattern begins with a slash, has
// at least one part, something between any two parts, and at least one character that is neither a slash nor of a part, so
// that no pattern takes every name.
func Compile(text string) (*Pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return nil, errors.New("does not begin with a slash")
	}
	p := &Pattern{text: text}
	expr := strings.Builder{}
	expr.WriteString("^")
	rest := text
	for {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, errors.New("has a brace that was not opened")
		}
		if literal == "" && len(p.parts) > 0 && found {
			return nil, errors.New("has two parts with nothing between them")
		}
		p.literals += len(literal) - strings.Count(literal, "/")
		expr.WriteString(regexp.QuoteMeta(literal))
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, errors.New("has a brace that is not closed")
		}
		if err := p.add(name); err != nil {
			return nil, err
		}
		expr.WriteString("([^/]+)")
		rest = tail
	}
	expr.WriteString("$")
	switch {
	case len(p.parts) == 0:
		return nil, errors.New("has no part in braces")
	case p.literals == 0:
		return nil, errors.New("takes every name; put something before or behind the part")
	}
	var err error
	p.match, err = regexp.Compile(expr.String())
	return p, err
}

func (p *Pattern) add(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return fmt.Errorf("has a part {%s}; the name of a part is of letters, digits and underscores", name)
	}
	for _, one := range p.parts {
		if one == name {
			return fmt.Errorf("names the part {%s} twice", name)
		}
	}
	p.parts = append(p.parts, name)
	return nil
}

// String returns the text of the pattern.
func (p *Pattern) String() string { return p.text }

// Parts returns the names of the parts, in their order.
func (p *Pattern) Parts() []string { return slices.Clone(p.parts) }

// Literals is how many characters of a name the pattern fixes, slashes not counted: of two patterns that match, the one with
// more fits better.
func (p *Pattern) Literals() int { return p.literals }

// Match returns the parts of a name, or false when the pattern does not match it. The work is linear in the length of the
// name.
func (p *Pattern) Match(name string) (map[string]string, bool) {
	found := p.match.FindStringSubmatch(name)
	if found == nil {
		return nil, false
	}
	parts := make(map[string]string, len(p.parts))
	for i, one := range p.parts {
		parts[one] = found[i+1]
	}
	return parts, true
}
