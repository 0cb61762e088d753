package server

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/internal/settings"
	"gatehouse/namespaces/relay"
)

// Lasting is a set of settings that a running server keeps, however its configuration changes.
type Lasting struct {
	Keys []string // keys, and sections with all of their keys
	Why  string
}

// NeedRestart lists what [Server.Reload] does not take over: it takes over every other key. docs/configuration.md shows it.
func NeedRestart() []Lasting { return slices.Clone(needRestart) }

var needRestart = []Lasting{
	{[]string{"addr", "admin.addr", "path", "no_client", "pages", "dev", "http"}, "the listeners, and what is served on them"},
	{[]string{"trusted_proxies", "proxy_header", "keep_headers"}, "what is read of the requests that open connections"},
	{[]string{"tickets", "revocation", "redis"}, "where things are kept for clients and nodes, and for how long"},
	{[]string{
		"cluster.mode", "cluster.addr", "cluster.advertise", "cluster.name", "cluster.secret", "cluster.key", "cluster.streams",
		"cluster.max_len", "cluster.patience", "cluster.backlog_bytes", "cluster.backlog_age",
	}, "the node's part in its cluster"},
	{[]string{"engine.ping_interval", "engine.ping_timeout"}, "what clients have been told at their handshake"},
	{[]string{
		"engine.open_apart", "engine.no_upgrades", "engine.transports", "engine.cookie", "engine.io_uring", "compression",
	}, "how connections are opened and written"},
	{[]string{"packet"}, "packets, which the nodes of a cluster read by it, too"},
	{[]string{"recovery", "history"}, "what is kept already"},
	{[]string{"admin_ui.enabled", "admin_ui.read_only"}, "what is mounted"},
	{[]string{"log.format"}, "the form of a log that has begun"},
}

// needsRestart reports whether a key is among them.
func needsRestart(key string) bool {
	return slices.ContainsFunc(needRestart, func(l Lasting) bool { return slices.ContainsFunc(l.Keys, covers(key)) })
}

// covers returns a function that reports whether a key, or the section that it names, covers key.
func covers(key string) func(string) bool {
	return func(one string) bool { return key == one || strings.HasPrefix(key, one+".") }
}

// taking returns the configuration in force with everything that can be taken over from cfg, and the keys that still
// differ from cfg.
func (s *Server) taking(cfg Config) (next Config, restart []string) {
	next = s.given
	settings.Keep(&next, &cfg, func(key string) bool { return !needsRestart(key) })
	s.keepSwitches(&next)
	restart = settings.Changed(next, cfg)
	for i, key := range restart {
		if section, _, ok := strings.Cut(key, "."); ok && section == "tls" {
			restart[i] = section
		} else if strings.HasPrefix(key, "cluster.tls.") {
			restart[i] = "cluster.tls"
		}
	}
	restart = slices.Compact(restart)
	return next, slices.Concat(restart, s.takeNamespaces(&next, cfg), s.takeBackends(&next, cfg))
}

// keepSwitches keeps the settings that only a start can switch on or off.
func (s *Server) keepSwitches(next *Config) {
	given := &s.given
	if given.TLS.enabled() != next.TLS.enabled() {
		next.TLS = given.TLS
	}
	if given.Cluster.TLS.enabled() != next.Cluster.TLS.enabled() {
		next.Cluster.TLS = given.Cluster.TLS
	}
	if (given.Admin.Key == "") != (next.Admin.Key == "") {
		next.Admin.Key, next.Admin.PreviousKey = given.Admin.Key, given.Admin.PreviousKey
	}
	if (len(given.API.Keys) == 0) != (len(next.API.Keys) == 0) {
		next.API = given.API
	}
	if (given.AdminUI.PasswordHash == "") != (next.AdminUI.PasswordHash == "") { // without a key, dev mode lets everybody in
		next.AdminUI.PasswordHash = given.AdminUI.PasswordHash
	}
	if s.node != nil && (given.Session.MaxPerUser == 0) != (next.Session.MaxPerUser == 0) { // then it is for all nodes
		next.Session.MaxPerUser = given.Session.MaxPerUser
	}
}

// takeNamespaces takes over the rules of namespaces that are mounted.
func (s *Server) takeNamespaces(next *Config, cfg Config) (restart []string) {
	next.Namespaces = maps.Clone(s.given.Namespaces)
	for _, label := range eitherOf(s.given.Namespaces, cfg.Namespaces) {
		before, mounted := s.given.Namespaces[label]
		now, wanted := cfg.Namespaces[label]
		if !mounted || !wanted {
			restart = append(restart, "namespaces."+label)
			continue
		}
		keep := func(differs bool, key string, back func(*relay.Config)) {
			if differs {
				restart = append(restart, "namespaces."+label+"."+key)
				back(&now)
			}
		}
		_, running := s.given.Backends[now.Backend]
		keep(now.Backend != "" && !running, "backend", func(c *relay.Config) { c.Backend = before.Backend })
		keep(now.Linger != before.Linger, "linger", func(c *relay.Config) { c.Linger = before.Linger })
		keep(now.Max != before.Max, "max", func(c *relay.Config) { c.Max = before.Max })
		next.Namespaces[label] = now
	}
	return restart
}

// takeBackends takes over the settings of back ends that are in use already.
func (s *Server) takeBackends(next *Config, cfg Config) (restart []string) {
	next.Backends = maps.Clone(s.given.Backends)
	for _, name := range eitherOf(s.given.Backends, cfg.Backends) {
		before, running := s.given.Backends[name]
		now, wanted := cfg.Backends[name]
		if !running || !wanted {
			restart = append(restart, "backends."+name)
			continue
		}
		for key, differs := range map[string]bool{
			"batch": now.Batch != before.Batch, "batch_size": now.BatchSize != before.BatchSize,
			"max_in_flight": now.MaxInFlight != before.MaxInFlight,
		} {
			if differs {
				restart = append(restart, "backends."+name+"."+key)
			}
		}
		now.Batch, now.BatchSize, now.MaxInFlight = before.Batch, before.BatchSize, before.MaxInFlight
		next.Backends[name] = now
	}
	slices.Sort(restart)
	return restart
}

// eitherOf returns the keys of both maps, each once, sorted.
func eitherOf[T any](a, b map[string]T) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}
