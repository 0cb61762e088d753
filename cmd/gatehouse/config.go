package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	document "go.yaml.in/yaml/v3"
)

// configCommand groups the commands that look at the configuration without serving.
type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Validate the configuration."`
	Print configPrintCommand `cmd:"" help:"Print the effective configuration, secrets masked."`

	Schema configSchemaCommand `cmd:"" help:"Print the JSON Schema of the file, for editors."`
}

// configFlags are the flags of serve that change the configuration.
type configFlags struct {
	configFile `embed:""`

	Addr string `placeholder:"HOST:PORT" help:"Address to listen on."`
	Dev  bool   `help:"Development: demo login, /echo, localhost origins, a key of our own."`
}

// settings returns the settings that serve would run with the same flags.
func (f configFlags) settings(p *program) (settings, error) {
	given := map[string]any{}
	if f.Addr != "" {
		given["addr"] = f.Addr
	}
	if f.Dev {
		given["dev"] = true
	}
	return load(f.File, p.env, given)
}

type configCheckCommand struct{ configFlags }

// Run writes the mistakes to standard error, one per line. When there are none, it writes the warnings of serve to
// standard error, and to standard output that the configuration is good and how much strangers can make the server hold
// with it. With a cluster it also checks whether Redis fits.
func (c *configCheckCommand) Run(p *program) error {
	s, err := c.settings(p)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		all := mistakes(err)
		last := len(all) - 1
		for _, one := range all[:last] {
			p.complain(one)
		}
		return all[last]
	}
	for _, w := range s.warnings() {
		_, _ = fmt.Fprintln(p.stderr, "gatehouse: warning:", w)
	}
	misfits, err := s.Misfits(context.Background())
	if err != nil {
		_, _ = fmt.Fprintln(p.stderr, "gatehouse: warning: cannot check whether redis fits:", err)
	}
	for _, what := range misfits {
		_, _ = fmt.Fprintln(p.stderr, "gatehouse: warning: redis does not fit:", what)
	}
	_, _ = fmt.Fprintf(p.stdout, "the configuration is good\n%s\n", s.Strangers())
	return nil
}

type configPrintCommand struct{ configFlags }

// Run prints every key with its effective value as YAML. It does not check
// them, so that a mistake can be seen.
func (c *configPrintCommand) Run(p *program) error {
	s, err := c.settings(p)
	if err != nil {
		return err
	}
	text, err := s.yaml()
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(text)
	return err
}

// yaml returns the settings as a configuration file, with masked secrets.
func (s settings) yaml() ([]byte, error) {
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(keysOf(reflect.ValueOf(s)), "."), nil); err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	text, err := k.Marshal(yaml.Parser())
	if err != nil || len(s.Namespaces) == 0 && len(s.Backends) == 0 {
		return text, err
	}
	more, err := document.Marshal(spaces{s.Namespaces, s.Backends})
	return append(text, more...), err
}

// keysOf returns the values of a section by their keys.
func keysOf(section reflect.Value) map[string]any {
	all := map[string]any{}
	for _, f := range fields(section.Type(), "", nil) {
		all[f.key] = f.printable(section.FieldByIndex(f.index))
	}
	return all
}

// printable gives a value in the form in which a file has it.
func (f field) printable(v reflect.Value) any {
	switch {
	case f.typ == secretType, f.typ == durationType: // the former masks itself
		return fmt.Sprint(v.Interface())
	case f.isSections():
		list := []any{}
		for i := range v.Len() {
			list = append(list, maps.Unflatten(keysOf(v.Index(i)), "."))
		}
		return list
	case f.typ.Kind() == reflect.Slice && v.IsNil():
		return []string{}
	}
	return v.Interface()
}
