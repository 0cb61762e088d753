package main

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"gatehouse/namespaces"
	"gatehouse/namespaces/contract"
	"gatehouse/namespaces/relay"
)

// typesCommand prints the events that clients of the namespaces send and get.
type typesCommand struct {
	configFile `embed:""`

	Namespace []string `placeholder:"NAME" help:"Only this namespace, such as /chat; may be given several times."`
	Format    string   `enum:"typescript,asyncapi" default:"typescript" placeholder:"FORMAT" help:"typescript, for socket.io-client, or asyncapi, as YAML (default ${default})."`
}

// Run prints the types of the namespaces that the configuration has.
func (c *typesCommand) Run(p *program) error {
	s, err := load(c.File, p.env, nil)
	if err != nil {
		return err
	}
	all, err := s.descriptions()
	if err != nil {
		return err
	}
	for _, name := range c.Namespace {
		if !slices.ContainsFunc(all, func(d namespaces.Description) bool { return d.Label == name }) {
			return fmt.Errorf("--namespace: the configuration has no %s", name)
		}
	}
	all = slices.DeleteFunc(all, func(d namespaces.Description) bool {
		return len(c.Namespace) > 0 && !slices.Contains(c.Namespace, d.Label)
	})
	if c.Format == "asyncapi" {
		return contract.AsyncAPI(p.stdout, "Gatehouse", version(debug.ReadBuildInfo()), all...)
	}
	return contract.TypeScript(p.stdout, all...)
}

// descriptions are those of all namespaces that the settings ask for.
func (s settings) descriptions() ([]namespaces.Description, error) {
	var all []namespaces.Description
	for _, def := range s.namespaces() {
		d, err := namespaces.Describe(def)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	for _, label := range slices.Sorted(maps.Keys(s.Namespaces)) {
		d, err := relay.Describe(label, s.Namespaces[label], s.Backends)
		if err != nil {
			return nil, fmt.Errorf("namespaces.%s.%w", label, err)
		}
		all = append(all, d)
	}
	return all, nil
}
