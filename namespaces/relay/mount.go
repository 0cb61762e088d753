package relay

import (
	"fmt"
	"maps"
	"slices"

	"gatehouse/internal/pattern"
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
	if len(parts) == 0 {
		ns := namespaces.New(label)
		r.define(ns, nil)
		return ns, r, nil
	}
	family := namespaces.NewFamily(label, func(ns *namespaces.Namespace) {
		values := make(map[string]string, len(parts))
		for _, part := range parts {
			values[part] = ns.Part(part)
		}
		r.define(ns, values)
	})
	if cfg.Max > 0 {
		family.Max(cfg.Max)
	}
	if cfg.Linger > 0 {
		family.Linger(cfg.Linger)
	}
	return family, r, nil
}

// Check finds all mistakes of a configuration, except in the names of its back ends.
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
	if !pattern.Is(label) {
		return nil, nil
	}
	p, err := pattern.Compile(label)
	if err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	return p.Parts(), nil
}

// Variables are the names in braces in a label. In the label of a family they stand
// for the parts of its namespaces' names.
func Variables(label string) []string {
	parts, _ := partsOf(label) // a label that cannot be read has none
	return parts
}

// Find returns the label of the configuration that a namespace belongs to, and the
// parts of its name.
func Find(all map[string]Config, name string) (label string, parts map[string]string, ok bool) {
	if _, ok := all[name]; ok {
		return name, nil, true
	}
	for _, label := range slices.Sorted(maps.Keys(all)) {
		p, err := pattern.Compile(label)
		if err != nil {
			continue // a name without parts
		}
		if parts, ok := p.Match(name); ok {
			return label, parts, true
		}
	}
	return "", nil, false
}
