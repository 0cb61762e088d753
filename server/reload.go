package server

import (
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"gatehouse/handshake"
)

// reloadable are the sections and keys that Reload takes over: who is let in, by which
// keys and secrets.
var reloadable = []string{
	"auth", "jwt", "issuers", "origins", "subprotocol", "cookie", "basic", "certificate", "callback", "introspection",
	"tls", "cluster.tls", "admin.key", "admin.previous_key", "log.level",
}

// ErrEnded is the error of Reload for a server that ends.
var ErrEnded = errors.New("the server is about to end")

// Reload takes over what can change while the server runs: who is let in and by
// which keys (auth, jwt, issuers, origins, subprotocol, cookie, basic, certificate,
// callback, introspection), the files of tls and cluster.tls, and the operators' keys. Connections that are there go on as they are, and
// requests of theirs are compared by what was in force when they opened; a secret
// that is to go stays valid as long as it is the previous one. Files of cluster.tls
// that other nodes would refuse are logged and not taken over, but everything else is:
// a key that is to go must not stay for a node's certificate that has expired.
//
// It returns the other keys that differ from what the server runs with, for which
// it has to be started anew; log.level is the logger's, see [LogWriter.SetLevel].
// On an error nothing is changed. It is safe for concurrent use.
func (s *Server) Reload(cfg Config) (restart []string, err error) {
	s.reload.Lock()
	defer s.reload.Unlock()
	if s.draining.Load() || s.endReading == nil {
		return nil, ErrEnded
	}
	cfg.Verifiers = s.given.Verifiers
	cfg, _ = withLab(cfg.WithDefaults(), nil)
	if err := s.withoutHops(cfg).Check(); err != nil {
		return nil, err
	}
	restart = s.needRestart(cfg)
	next := s.taking(cfg)
	gateConfig := next.gate()
	gateConfig.Deps = s.gateDeps
	gate, err := handshake.NewGate(gateConfig)
	if err != nil {
		return nil, err
	}
	hops := s.reloadsHops(cfg)
	if hops {
		if err := next.Cluster.checkTLS(); err != nil {
			s.log.Error("cluster.tls: the files in force stay, the rest of the configuration is taken over", slog.Any("error", err))
			next.Cluster.TLS, hops = s.given.Cluster.TLS, false
		}
	}
	if err := s.reloadKeys(cfg.TLS.enabled(), hops, next); err != nil {
		gate.Close()
		return nil, err
	}
	old := s.gates.Swap(gate)
	old.Close() // only what it keeps open and does not use
	s.operators.Store(&next.Admin)
	s.given = next
	for _, w := range gate.Warnings() {
		s.log.Warn("configuration: " + w)
	}
	s.reading.Go(func() { gate.ReadKeySets(s.readCtx) })
	return restart, nil
}

// gate is the one in force.
func (s *Server) gate() *handshake.Gate { return s.gates.Load() }

// reloadsHops reports whether nodes had TLS between them before and are to have it.
func (s *Server) reloadsHops(cfg Config) bool {
	return s.given.Cluster.TLS.enabled() && cfg.Cluster.TLS.enabled()
}

// withoutHops is cfg without the files of cluster.tls where Reload judges them by
// themselves.
func (s *Server) withoutHops(cfg Config) Config {
	if s.reloadsHops(cfg) {
		cfg.Cluster.Advertise, cfg.Cluster.TLS = cfg.Cluster.advertisedHost(), ClusterTLS{}
	}
	return cfg
}

// taking gives the configuration in force with what can be taken over from cfg.
func (s *Server) taking(cfg Config) Config {
	next := s.given
	next.Auth, next.JWT, next.Issuers, next.Origins = cfg.Auth, cfg.JWT, cfg.Issuers, cfg.Origins
	next.Subprotocol, next.Cookie, next.Basic, next.Certificate = cfg.Subprotocol, cfg.Cookie, cfg.Basic, cfg.Certificate
	next.Callback, next.Introspection = cfg.Callback, cfg.Introspection
	if s.given.TLS.enabled() && cfg.TLS.enabled() {
		next.TLS = cfg.TLS
	}
	if s.reloadsHops(cfg) {
		next.Cluster.TLS = cfg.Cluster.TLS
	}
	if s.given.Admin.Key != "" && cfg.Admin.Key != "" {
		next.Admin.Key, next.Admin.PreviousKey = cfg.Admin.Key, cfg.Admin.PreviousKey
	}
	return next
}

// needRestart lists the keys of cfg that are not taken over and differ from what is
// in force.
func (s *Server) needRestart(cfg Config) []string {
	var keys []string
	differing(reflect.ValueOf(s.given), reflect.ValueOf(cfg), "", func(key string) {
		if !slices.ContainsFunc(reloadable, func(one string) bool { return key == one || strings.HasPrefix(key, one+".") }) {
			keys = append(keys, key)
		}
	})
	if s.given.TLS.enabled() != cfg.TLS.enabled() {
		keys = append(keys, "tls")
	}
	if s.given.Cluster.TLS.enabled() != cfg.Cluster.TLS.enabled() {
		keys = append(keys, "cluster.tls")
	}
	if (s.given.Admin.Key == "") != (cfg.Admin.Key == "") {
		keys = append(keys, "admin.key")
	}
	if !reflect.DeepEqual(s.given.Namespaces, cfg.Namespaces) {
		keys = append(keys, "namespaces")
	}
	if !reflect.DeepEqual(s.given.Backends, cfg.Backends) {
		keys = append(keys, "backends")
	}
	return keys
}

// differing calls f with each key whose values differ.
func differing(a, b reflect.Value, prefix string, f func(key string)) {
	for i := range a.NumField() {
		name, option, _ := strings.Cut(a.Type().Field(i).Tag.Get("koanf"), ",")
		switch {
		case option == "squash":
			differing(a.Field(i), b.Field(i), prefix, f)
		case name == "-" || name == "":
		case a.Field(i).Kind() == reflect.Struct:
			differing(a.Field(i), b.Field(i), prefix+name+".", f)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			f(prefix + name)
		}
	}
}
