package relay

import (
	"fmt"

	"gatehouse/namespaces"
)

// Mount makes the definition that a configuration names by its label: a namespace, or
// a family of them when the label has variables, such as "/tenant-{org}". The relay
// must be closed after the hub.
func Mount(label string, cfg Config, deps Deps) (namespaces.Definition, *Relay, error) {
	parts, err := partsOf(label)
	if err != nil {
		return nil, nil, err
	}
	r, err := New(cfg, parts, deps)
	if err != nil {
		return nil, nil, err
	}
	ns := namespaces.New(label)
	r.Define(ns, nil)
	return ns, r, nil
}

// Check finds all that is wrong with a configuration, but for the names of its back
// ends.
func Check(label string, cfg Config) error {
	parts, err := partsOf(label)
	if err != nil {
		return err
	}
	_, err = NewPolicy(cfg, parts)
	return err
}

// partsOf are the variables of a label.
func partsOf(label string) ([]string, error) {
	p, err := parsePattern(label)
	if err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	return p.names, nil
}
