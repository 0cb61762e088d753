package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/handshake"
	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/namespaces/relay"
	"gatehouse/presence"
)

// relays are the configured namespaces and the back ends that they ask.
type relays struct {
	backends map[string]*backend.Client
	byLabel  map[string]*relay.Relay
	history  history.Log // nil when no configured namespace can use it
	log      *slog.Logger
}

// tellTime is how long an ending server goes on sending its back ends the events
// that they have not taken yet.
const tellTime = 5 * time.Second

// newRelays makes the namespaces and back ends of the configuration, and the
// definitions to be mounted. shared is the history that all nodes share, or nil.
func newRelays(cfg Config, shared history.Log, log *slog.Logger) (_ *relays, defs []namespaces.Definition, err error) {
	r := &relays{backends: map[string]*backend.Client{}, byLabel: map[string]*relay.Relay{}, log: log}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(cfg.Backends)) { // so that the same mistake is named at every start
		client, err := backend.New(cfg.Backends[name], cfg.Logger)
		if err != nil {
			return nil, nil, fmt.Errorf("backends.%s: %w", name, err)
		}
		r.backends[name] = client
	}
	naming := new(presence.Naming)
	if cfg.JWT.Issuer != "" {
		naming.Settle(cfg.JWT.Issuer)
	}
	if len(cfg.Namespaces) > 0 {
		if r.history, err = cfg.History.open(shared, log); err != nil {
			return nil, nil, fmt.Errorf("history.path: %w", err)
		}
	}
	deps := relay.Deps{Backends: r.backends, History: r.history, Naming: naming, Logger: cfg.Logger}
	for _, label := range slices.Sorted(maps.Keys(cfg.Namespaces)) {
		def, one, err := relay.Mount(label, cfg.Namespaces[label], deps)
		if err != nil {
			return nil, nil, underKey("namespaces."+label, err)
		}
		r.byLabel[label] = one
		defs = append(defs, def)
	}
	return r, defs, nil
}

// byName returns the relay of a namespace, or nil.
func (r *relays) byName(cfg Config, name string) *relay.Relay {
	label, _, ok := relay.Find(cfg.Namespaces, name)
	if !ok {
		return nil
	}
	return r.byLabel[label]
}

// close closes the relays. Their hub has been closed before.
func (r *relays) close() {
	if r == nil {
		return
	}
	for _, one := range r.byLabel {
		one.Close()
	}
	ctx, stop := context.WithTimeout(context.Background(), tellTime)
	defer stop()
	for _, client := range r.backends {
		_ = client.Close(ctx) // what is lost has been logged
	}
	if r.history == nil {
		return
	}
	if err := r.history.Close(); err != nil {
		r.log.Error("the history is not whole", slog.Any("error", err))
	}
}

// underKey puts a key before each line of an error.
func underKey(key string, err error) error {
	if err == nil {
		return nil
	}
	var all []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if strings.HasPrefix(line, " ") { // continues the line before: the place in an expression
			all[len(all)-1] = fmt.Errorf("%w\n%s", all[len(all)-1], line)
			continue
		}
		all = append(all, fmt.Errorf("%s.%s", key, line))
	}
	return errors.Join(all...)
}

// checkRelays returns all mistakes in the namespaces of the configuration.
func (c Config) checkRelays() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		errs = append(errs, underKey("backends."+name, c.Backends[name].Check()))
	}
	for _, label := range slices.Sorted(maps.Keys(c.Namespaces)) {
		cfg := c.Namespaces[label]
		errs = append(errs, underKey("namespaces."+label, relay.Check(label, cfg)))
		if _, known := c.Backends[cfg.Backend]; cfg.Backend != "" && !known {
			errs = append(errs, fmt.Errorf("namespaces.%s.backend: there is no %q in backends", label, cfg.Backend))
		}
	}
	return errors.Join(errs...)
}

// methods returns the methods of signing in that configured namespaces set,
// unless auth.namespaces sets them.
func (c Config) methods() []handshake.NamespaceAuth {
	var all []handshake.NamespaceAuth
	for _, label := range slices.Sorted(maps.Keys(c.Namespaces)) {
		known := slices.ContainsFunc(c.Auth.Namespaces, func(a handshake.NamespaceAuth) bool { return a.Name == label })
		if methods := c.Namespaces[label].Methods; len(methods) > 0 && !known {
			all = append(all, handshake.NamespaceAuth{Name: label, Methods: methods})
		}
	}
	return all
}
