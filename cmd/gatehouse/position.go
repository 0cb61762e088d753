package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	document "go.yaml.in/yaml/v3"
)

// positions say in which line of the file each key stands, as far as the file decides
// about it. The zero value knows of none.
type positions struct {
	path  string
	lines map[string]int // lines by key, with the place in a list: auth.namespaces[0].name
}

// readPositions finds the keys of a file.
func readPositions(path string, root *document.Node) *positions {
	p := &positions{path: path, lines: make(map[string]int)}
	for _, top := range root.Content {
		p.walk("", top)
	}
	return p
}

func (p *positions) walk(prefix string, n *document.Node) {
	switch n.Kind {
	case document.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.TrimPrefix(prefix+"."+n.Content[i].Value, ".")
			p.lines[key] = n.Content[i].Line
			p.walk(key, n.Content[i+1])
		}
	case document.SequenceNode:
		for i, item := range n.Content {
			key := fmt.Sprintf("%s[%d]", prefix, i)
			p.lines[key] = item.Line
			p.walk(key, item)
		}
	}
}

// decidedElsewhere forgets the lines of keys that a later source sets.
func (p *positions) decidedElsewhere(given map[string]any) {
	for key := range given {
		p.lines[key] = 0
	}
}

// locate adds the place to each mistake that begins with a key of the file.
func (p *positions) locate(err error) error {
	if p == nil || err == nil {
		return err
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range many.Unwrap() {
			all = append(all, p.locate(one))
		}
		return errors.Join(all...)
	}
	if line := p.lineOf(err.Error()); line > 0 {
		return located{p.path, line, err}
	}
	return err
}

// located is a mistake in a line of a file.
type located struct {
	path string
	line int
	error
}

// Error names the place as compilers do, so that terminals and editors find it.
func (l located) Error() string { return fmt.Sprintf("%s:%d: %s", l.path, l.line, l.error) }

// Unwrap returns the mistake.
func (l located) Unwrap() error { return l.error }

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// syntax is an error of the reader of YAML, with its place where it says one.
func syntax(path string, err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("read configuration file %s: %w", path, err)
	}
	line, _ := strconv.Atoi(m[1]) // digits
	return located{path, line, errors.New("this is no YAML: " + m[2])}
}

// mistakes returns the errors that are joined in one, ordered by line; those without a
// line come last.
func mistakes(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range many.Unwrap() {
		all = append(all, mistakes(one)...)
	}
	slices.SortStableFunc(all, func(a, b error) int { return cmp.Compare(lineIn(a), lineIn(b)) })
	return all
}

func lineIn(err error) int {
	if at := (located{}); errors.As(err, &at) {
		return at.line
	}
	return math.MaxInt
}

// lineOf finds the longest key that a message begins with. The message may name a key
// that the file does not have, in a section that it has.
func (p *positions) lineOf(message string) int {
	line, length := 0, 0
	message = strings.TrimPrefix(message, "unknown key ")
	for key, at := range p.lines {
		rest, found := strings.CutPrefix(message, key)
		if found && len(key) > length && (rest == "" || strings.ContainsAny(rest[:1], ":,. [")) {
			line, length = at, len(key)
		}
	}
	return line
}
