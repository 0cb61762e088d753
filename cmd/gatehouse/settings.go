package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	document "go.yaml.in/yaml/v3"

	"gatehouse/handshake"
	"gatehouse/server"
)

// settings is the whole configuration of the program: the server's and which
// built-in namespaces it mounts.
type settings struct {
	server.Config `koanf:",squash"`
	ownSettings   `koanf:",squash"`

	where *positions `koanf:"-"` // places of the file's keys; nil without a file
}

// ownSettings are the settings of the program beside those of the server. None changes while
// it runs.
type ownSettings struct {
	Chat chatSettings `koanf:"chat"`
	Echo echoSettings `koanf:"echo"`

	Telemetry telemetrySettings `koanf:"telemetry"`

	// Files is a folder whose files are served beside the server's own paths. Default none.
	Files string `koanf:"files"`
}

// echoSettings configure the namespace that sends back what it gets.
type echoSettings struct {
	// Enabled mounts /echo; dev mode does so too.
	Enabled bool `koanf:"enabled"`
}

// loader merges the sources of the configuration; the later ones win.
type loader struct {
	fields []field
	merged *koanf.Koanf
	spaces spaces
	where  *positions // nil without a file
}

// load gives the effective configuration: defaults, then the file (none when its
// name is empty), then the environment, then the flags that were given. It is
// complete but not yet checked as a whole. The error names every mistake.
func load(path string, e environment, flags map[string]any) (settings, error) {
	l := &loader{fields: schema(), merged: koanf.New(".")}
	if path == "" {
		path = e.value(envConfig)
	}
	wrong := errors.Join(l.file(path), l.environment(e), l.merge("flag", flags))
	s, err := l.settings()
	if wrong == nil || err != nil {
		return s, errors.Join(wrong, err)
	}
	// All mistakes at once. One of them may be the cause of ErrNoVerifier.
	if err := s.check(); !errors.Is(err, handshake.ErrNoVerifier) {
		wrong = errors.Join(wrong, err)
	}
	return settings{}, wrong
}

func (l *loader) file(path string) error {
	if path == "" {
		return nil
	}
	k := koanf.New(".")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration file: %w", err)
	}
	all, err := sections{yaml.Parser()}.Unmarshal(text)
	if err == nil {
		err = k.Load(confmap.Provider(all, ""), nil)
	}
	if err != nil {
		return syntax(path, err)
	}
	var root document.Node
	if err := document.Unmarshal(text, &root); err != nil {
		return syntax(path, err)
	}
	l.where = readPositions(path, &root)
	spacesErr := l.readSpaces(text, &root)
	k.Delete("namespaces")
	k.Delete("backends")
	good, wrong := parseKeys(l.fields, "", k.All())
	return errors.Join(l.where.locate(wrong), spacesErr, l.take(path, good))
}

// sections reads YAML. When a file holds something else, the error says what it must hold.
type sections struct{ *yaml.YAML }

// Unmarshal implements koanf.Parser.
func (s sections) Unmarshal(text []byte) (map[string]any, error) {
	all, err := s.YAML.Unmarshal(text)
	var root document.Node
	if err != nil && document.Unmarshal(text, &root) == nil && root.Content[0].Kind != document.MappingNode {
		return nil, errors.New("the file must be sections and keys, such as addr: 127.0.0.1:3000")
	}
	return all, err
}

func (l *loader) environment(e environment) error {
	names, keys := map[string]string{}, []string(nil)
	for _, f := range l.fields {
		names[envName(f.key)] = f.key
		keys = append(keys, envName(f.key))
		if old := f.was(); old != "" {
			names[envName(old)] = old
		}
		if file := f.key + fileSuffix; f.typ == secretType {
			names[envName(file)] = file
		}
	}
	var failed error
	given := map[string]any{}
	provider := env.Provider("", env.Opt{
		EnvironFunc: e.settings,
		TransformFunc: func(name, value string) (string, any) {
			key, ok := names[name]
			if !ok {
				failed = errors.Join(failed, unknown("variable", name, keys))
				return "", nil
			}
			given[key] = value
			return key, value
		},
	})
	if _, err := provider.Read(); err != nil {
		return fmt.Errorf("read the environment: %w", err)
	}
	return errors.Join(failed, l.merge("environment", given))
}

// merge lays a source over the earlier ones, as far as its keys and values are valid; the
// error says what is wrong with the others.
func (l *loader) merge(source string, given map[string]any) error {
	good, wrong := parseKeys(l.fields, "", given)
	if wrong != nil {
		wrong = fmt.Errorf("%s: %w", source, wrong)
	}
	if l.where != nil {
		l.where.decidedElsewhere(good)
	}
	return errors.Join(wrong, l.take(source, good))
}

// take lays valid values over the earlier ones.
func (l *loader) take(source string, good map[string]any) error {
	if err := l.merged.Load(confmap.Provider(good, "."), nil); err != nil {
		return fmt.Errorf("merge %s: %w", source, err)
	}
	return nil
}

// settings decodes what was merged over the defaults.
func (l *loader) settings() (settings, error) {
	s := settings{ownSettings: ownSettings{Chat: defaultChat()}}
	if err := l.merged.UnmarshalWithConf("", &s, koanf.UnmarshalConf{Tag: "koanf"}); err != nil {
		return settings{}, fmt.Errorf("decode the configuration: %w", err)
	}
	s.Namespaces, s.Backends, s.where = l.spaces.Namespaces, l.spaces.Backends, l.where
	s.Config = s.WithDefaults()
	s.Echo.Enabled = s.Echo.Enabled || s.Dev
	return s, nil
}

// check refuses settings with which the server must not start. In dev mode it may start
// without a key, because one is made.
func (s settings) check() error {
	err := s.Check()
	others := errors.Join(s.Chat.check(), s.Telemetry.check(), s.checkHistory())
	if errors.Is(err, handshake.ErrNoVerifier) && (s.Dev || others != nil) {
		err = nil
	}
	return s.where.locate(errors.Join(err, others))
}

// warnings returns the warnings of serve. Dev mode may have no key: serve would
// have one.
func (s settings) warnings() []string {
	if s.Dev && errors.Is(s.Check(), handshake.ErrNoVerifier) {
		s.JWT.HMACSecret = handshake.Secret(rand.Text() + rand.Text())
	}
	return s.Warnings(s.namespaces()...)
}

// widest is how many bytes a byte of text may become in JSON: a control character takes six.
const widest = 6

// checkHistory refuses a history that could be larger than a client's outbox:
// no client could join the room any more.
func (s settings) checkHistory() error {
	if need := widest * s.Chat.HistoryBytes; s.Engine.OutboxBytes < need {
		return fmt.Errorf("engine.outbox_bytes: %d cannot hold every history of chat.history_bytes (%d) as JSON; write %d or more, or make the history smaller",
			s.Engine.OutboxBytes, s.Chat.HistoryBytes, need)
	}
	return nil
}
