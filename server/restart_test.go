package server

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/handshake"
	"gatehouse/internal/settings"
	"gatehouse/namespaces/relay"
	"gatehouse/server/api"
)

// inForceOf returns the configuration that Reload hands to the parts of a server.
func inForceOf(cfg Config) []any {
	s := &Server{cfg: cfg}
	s.gates.Store(new(handshake.Gate))
	gate, e, h := cfg.gate(), s.engineConfig(cfg), s.hubConfig(cfg)
	gate.Deps.Logger = nil
	gate.Tickets, gate.ProxyHeader, gate.Revocation = Config{}.Tickets, Config{}.ProxyHeader, Config{}.Revocation
	e.PingInterval, e.PingTimeout = 0, 0
	return []any{
		gate, e.Limits, e.Early,
		h.ConnectLimits, h.SessionLimits, h.SocketLimits, h.RateLimits, h.AnswerUnknownEvents,
		cfg.Connections, cfg.API, cfg.AdminUI.Username, cfg.AdminUI.PasswordHash, cfg.AdminUI.Scope,
		cfg.Admin.Key, cfg.Admin.PreviousKey, cfg.Admin.Frames, cfg.Drain, cfg.TLS, cfg.Cluster.TLS, cfg.Log.Level,
	}
}

// everything is a configuration in which every part is on that only a start can
// switch on.
func everything() Config {
	cfg := Config{TLS: TLS{CertFile: "a", KeyFile: "b"}, Cluster: Cluster{TLS: ClusterTLS{CertFile: "a", KeyFile: "b"}}}
	cfg.Admin.Key, cfg.AdminUI.PasswordHash = "key", "hash"
	cfg.API.Keys = []api.Key{{Name: "one"}}
	cfg.Namespaces = map[string]relay.Config{"/app": {Backend: "one"}}
	cfg.Backends = map[string]backend.Config{"one": {}, "two": {}}
	return cfg.WithDefaults()
}

// each calls f with every key of the sections in config, and its value.
func each(config reflect.Value, prefix string, f func(key string, v reflect.Value, tag reflect.StructTag)) {
	for i := range config.NumField() {
		name, option, _ := strings.Cut(config.Type().Field(i).Tag.Get("koanf"), ",")
		switch v := config.Field(i); {
		case option == "squash":
			each(v, prefix, f)
		case name == "-" || name == "":
		case v.Kind() == reflect.Struct:
			each(v, prefix+name+".", f)
		default:
			f(prefix+name, v, config.Type().Field(i).Tag)
		}
	}
}

// other changes a value.
func other(t *testing.T, v reflect.Value, tag reflect.StructTag) {
	t.Helper()
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		word := v.String() + "x"
		for one := range strings.SplitSeq(tag.Get("oneof"), ",") {
			if one != v.String() {
				word = cmp.Or(one, word)
			}
		}
		v.SetString(word)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		t.Fatalf("there is no other %s", v.Kind())
	}
}

func TestEachKeyIsReloadedOrNamed(t *testing.T) {
	given := everything()
	s := &Server{given: given, cfg: given}
	before, keys := inForceOf(given), 0
	count := reflect.New(reflect.TypeFor[Config]()).Elem()
	each(count, "", func(key string, _ reflect.Value, _ reflect.StructTag) {
		keys++
		changed := everything()
		each(reflect.ValueOf(&changed).Elem(), "", func(k string, v reflect.Value, tag reflect.StructTag) {
			if k == key {
				other(t, v, tag)
			}
		})
		if got := settings.Changed(given, changed); !slices.Equal(got, []string{key}) {
			t.Fatalf("%s: %v has changed", key, got)
		}
		next, restart := s.taking(changed)
		reloaded := !reflect.DeepEqual(inForceOf(next), before)
		named := slices.Equal(restart, []string{key})
		if reloaded == named {
			t.Errorf("%s: reloaded %v, named %v", key, reloaded, restart)
		}
	})
	if keys < 150 {
		t.Errorf("only %d keys were tried", keys)
	}
	for _, l := range NeedRestart() {
		for _, key := range l.Keys {
			known := false
			each(count, "", func(k string, _ reflect.Value, _ reflect.StructTag) { known = known || covers(k)(key) })
			if !known {
				t.Errorf("there is no key %s", key)
			}
		}
	}
}

func TestWhatNamespacesAndBackEndsSayIsReloadedOrNamed(t *testing.T) {
	given := everything()
	s := &Server{given: given, cfg: given}
	try := func(what, key string, changed Config, taken func(next Config) bool) {
		next, restart := s.taking(changed)
		if named := slices.Equal(restart, []string{what + key}); named == taken(next) {
			t.Errorf("%s%s: reloaded %v, named %v", what, key, taken(next), restart)
		}
	}
	each(reflect.ValueOf(relay.Config{}), "", func(key string, _ reflect.Value, _ reflect.StructTag) {
		changed := everything()
		app := given.Namespaces["/app"]
		each(reflect.ValueOf(&app).Elem(), "", func(k string, v reflect.Value, tag reflect.StructTag) {
			if k == key {
				other(t, v, tag)
			}
		})
		changed.Namespaces = map[string]relay.Config{"/app": app}
		try("namespaces./app.", key, changed, func(next Config) bool { return reflect.DeepEqual(next.Namespaces["/app"], app) })
	})
	each(reflect.ValueOf(backend.Config{}), "", func(key string, _ reflect.Value, _ reflect.StructTag) {
		changed := everything()
		var one backend.Config
		each(reflect.ValueOf(&one).Elem(), "", func(k string, v reflect.Value, tag reflect.StructTag) {
			if k == key {
				other(t, v, tag)
			}
		})
		changed.Backends = map[string]backend.Config{"one": one, "two": {}}
		try("backends.one.", key, changed, func(next Config) bool { return reflect.DeepEqual(next.Backends["one"], one) })
	})
	changed := everything()
	changed.Namespaces = map[string]relay.Config{"/app": {Backend: "two"}, "/new": {}}
	changed.Backends = map[string]backend.Config{"two": {}, "three": {}}
	next, restart := s.taking(changed)
	if got := fmt.Sprint(restart); got != "[namespaces./new backends.one backends.three]" || next.Namespaces["/app"].Backend != "two" || len(next.Namespaces) != 1 || len(next.Backends) != 2 {
		t.Errorf("%s: %+v %+v", got, next.Namespaces, next.Backends)
	}
}

func TestOnlyAStartSwitchesOnOrOff(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"tls":                    func(c *Config) { c.TLS = TLS{} },
		"cluster.tls":            func(c *Config) { c.Cluster.TLS = ClusterTLS{} },
		"admin.key":              func(c *Config) { c.Admin.Key = "" },
		"api.keys":               func(c *Config) { c.API.Keys = nil },
		"admin_ui.password_hash": func(c *Config) { c.AdminUI.PasswordHash = "" },
	} {
		given, changed := everything(), everything()
		change(&changed)
		for _, way := range [][2]Config{{given, changed}, {changed, given}} {
			next, restart := (&Server{given: way[0], cfg: way[0]}).taking(way[1])
			if !slices.Equal(restart, []string{key}) || !reflect.DeepEqual(inForceOf(next), inForceOf(way[0])) {
				t.Errorf("%s: named %v", key, restart)
			}
		}
	}
}
