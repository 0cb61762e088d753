package main

import (
	"errors"
	"fmt"
	"strings"

	document "go.yaml.in/yaml/v3"
)

// positions say in which line of the file each key stands, as far as the file decides
// about it. The zero value knows of none.
type positions struct {
	path  string
	lines map[string]int // by key, with the place in a list: auth.namespaces[0].name
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

// locate says of each mistake that begins with a key of the file where that is.
func (p *positions) locate(err error) error {
	if p == nil || err == nil {
		return err
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var located []error
		for _, one := range many.Unwrap() {
			located = append(located, p.locate(one))
		}
		return errors.Join(located...)
	}
	if line := p.lineOf(err.Error()); line > 0 {
		return fmt.Errorf("%s:%d: %w", p.path, line, err)
	}
	return err
}

// lineOf finds the longest key that a message begins with. The message may name a
// key that the file has not, in a section that it has.
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
