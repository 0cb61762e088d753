package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"

	document "go.yaml.in/yaml/v3"

	"gatehouse/backend"
	"gatehouse/namespaces/relay"
)

// spaces are the sections whose keys are names of one's own: only the file can have
// them.
type spaces struct {
	Namespaces map[string]relay.Config   `yaml:"namespaces"`
	Backends   map[string]backend.Config `yaml:"backends"`
}

// isSpace reports whether a key at the top of the file is one of them.
func isSpace(key string) bool { return key == "namespaces" || key == "backends" }

// unknownField is what the YAML library says of a key that a section has not.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// readSpaces reads these sections of a file.
func (l *loader) readSpaces(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var root document.Node
	if err := document.Unmarshal(text, &root); err != nil || len(root.Content) == 0 {
		return nil //nolint:nilerr // whoever reads the other sections says it
	}
	var kept []*document.Node
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if isSpace(top.Content[i].Value) {
			kept = append(kept, top.Content[i], top.Content[i+1])
		}
	}
	if len(kept) == 0 {
		return nil
	}
	top.Content = kept
	only, err := document.Marshal(top)
	if err != nil {
		return err
	}
	d := document.NewDecoder(bytes.NewReader(only))
	d.KnownFields(true)
	if err := d.Decode(&l.spaces); err != nil {
		return fmt.Errorf("%s: %w", path, plainer(err))
	}
	return nil
}

// plainer says in this program's words what the YAML library says in its own.
func plainer(err error) error {
	text := unknownField.ReplaceAllString(err.Error(), `there is no key "$1" here`)
	line := regexp.MustCompile(`line \d+: `) // of a copy without the other sections
	return errors.New(line.ReplaceAllString(text, ""))
}
