package server

import (
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/relay"
	"gatehouse/server/internal/dev"
)

// withLab adds the lab to a server in dev mode that can sign tokens. It
// changes neither the methods of other namespaces nor a setting that is set.
func withLab(cfg Config, defs []namespaces.Definition) (Config, []namespaces.Definition) {
	if !cfg.Dev || cfg.Check() != nil {
		return cfg, defs
	}
	if _, err := handshake.NewSigner(cfg.JWT, nil, nil); err != nil {
		return cfg, defs
	}
	lab := cfg
	lab.setLabWays()
	if lab.Check() != nil { // settings that leave no room for the lab
		return cfg, defs
	}
	for _, one := range dev.Methods() {
		defs = append(slices.Clip(defs), dev.Namespace(one.Name))
	}
	return lab, defs
}

func (c *Config) setLabWays() {
	c.Auth.Namespaces = slices.Concat(c.Auth.Namespaces, dev.Methods())
	usual := handshake.GateConfig{}.WithDefaults()
	if sameSubprotocol(c.Subprotocol, usual.Subprotocol) {
		c.Subprotocol.Forms = []string{"kubernetes", "appsync", "plain"}
		c.Subprotocol.Plain = dev.Plain
	}
	if c.Cookie == usual.Cookie {
		c.Cookie = handshake.CookieConfig{
			Name: dev.CookieName, InsecureName: true, CSRFSecret: handshake.Secret(rand.Text() + rand.Text()),
		}
	}
	if len(c.Basic.Users) == 0 && c.Callback.URL == "" {
		c.Basic.Users = []handshake.BasicUser{{Name: "lab", Hash: dev.PasswordHash}}
	}
}

func sameSubprotocol(a, b handshake.SubprotocolConfig) bool {
	return slices.Equal(a.Forms, b.Forms) && slices.Equal(a.Supported, b.Supported) &&
		a.Prefix == b.Prefix && a.Domain == b.Domain && a.Plain == b.Plain
}

// prepareDev makes the endpoints of dev mode, and the signer of their tokens.
func (s *Server) prepareDev() {
	if !s.cfg.Dev {
		return
	}
	s.dev = &dev.Endpoints{
		JWT: s.cfg.JWT, Log: s.log, Gate: s.gate, AllowsOrigin: s.allowsOrigin, Explain: s.explain,
		Ruled:  slices.Sorted(maps.Keys(s.cfg.Namespaces)),
		Secure: func(r *http.Request) bool { return s.describe(r, "polling").Secure },
	}
	signer, err := handshake.NewSigner(s.cfg.JWT, nil, nil)
	if err == nil {
		s.dev.Signer = signer
	} else {
		s.log.Warn("the demo login is closed: it has nothing to sign tokens with", slog.Any("error", err))
	}
}

// explain answers a question of the lab.
func (s *Server) explain(r *http.Request, q dev.Question) (string, []relay.Decision, error) {
	id, decisions, err := s.inForce.Load().Explain(r.Context(), Question{
		Token: q.Token, Namespace: q.Namespace, Room: q.Room, Event: q.Event, Address: s.describe(r, "").RemoteAddr,
	})
	return id.Subject, decisions, err
}
