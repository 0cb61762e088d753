package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	document "go.yaml.in/yaml/v3"

	"gatehouse/backend"
	"gatehouse/namespaces/relay"
)

// spaces are the sections whose keys are the user's own names: only the file can
// have them.
type spaces struct {
	Namespaces map[string]relay.Config   `yaml:"namespaces"`
	Backends   map[string]backend.Config `yaml:"backends"`
}

// isSpace reports whether a key at the top of the file is one of them.
func isSpace(key string) bool { return key == "namespaces" || key == "backends" }

// unknownField is the YAML library's error for an unknown key of a section.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// readSpaces reads these sections of a file.
func (l *loader) readSpaces(text []byte, root *document.Node) error {
	if len(root.Content) == 0 {
		return nil
	}
	only, err := onlySpaces(text, root.Content[0])
	if err != nil || only == nil {
		return err
	}
	d := document.NewDecoder(bytes.NewReader(only))
	d.KnownFields(true)
	if err := d.Decode(&l.spaces); err != nil {
		return plainer(l.where, root, err)
	}
	return nil
}

// onlySpaces returns only these sections of the file, on the same lines; nil when
// it has none.
func onlySpaces(text []byte, top *document.Node) ([]byte, error) {
	var kept []*document.Node
	lines := strings.SplitAfter(string(text), "\n")
	first, apart := 0, true // the line of the previous key, and whether each key has its own lines
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, next := top.Content[i], len(lines)+1
		if i+2 < len(top.Content) {
			next = top.Content[i+2].Line
		}
		apart = apart && key.Line > first && next > key.Line
		first = key.Line
		if isSpace(key.Value) {
			kept = append(kept, key, top.Content[i+1])
			continue
		}
		for at := key.Line; apart && at < next; at++ {
			lines[at-1] = "\n"
		}
	}
	switch {
	case len(kept) == 0:
		return nil, nil
	case apart:
		return []byte(strings.Join(lines, "")), nil
	}
	return document.Marshal(&document.Node{Kind: document.MappingNode, Content: kept})
}

// plainer turns the YAML library's error into this program's words, a line for each
// mistake.
func plainer(file *positions, root *document.Node, err error) error {
	messages := []string{err.Error()}
	var several *document.TypeError
	if errors.As(err, &several) {
		messages = several.Errors
	}
	var all []error
	for _, m := range messages {
		m = unknownField.ReplaceAllString(strings.TrimPrefix(m, "yaml: "), `there is no key "$1" here`)
		if parts := inLine.FindStringSubmatch(m); parts != nil {
			all = append(all, fmt.Errorf("%s:%s: %s", file.path, parts[1], parts[2]))
			continue
		}
		if line := lineOfValue(root, m); line > 0 {
			m = fmt.Sprintf("%d: %s", line, m)
		}
		all = append(all, fmt.Errorf("%s:%s", file.path, m))
	}
	return errors.Join(all...)
}

// lineOfValue finds the line of the value that a message quotes at its beginning:
// the library gives no line for values that have a form of their own.
func lineOfValue(n *document.Node, message string) int {
	if n.Kind == document.ScalarNode && strings.HasPrefix(message, strconv.Quote(n.Value)) {
		return n.Line
	}
	for _, below := range n.Content {
		if line := lineOfValue(below, message); line > 0 {
			return line
		}
	}
	return 0
}

var inLine = regexp.MustCompile(`^line (\d+): (.*)$`)
