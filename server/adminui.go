package server

import (
	"fmt"
	"slices"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/adminui"
)

// AdminUI opens the namespace /admin to the official admin interface of Socket.IO (@socket.io/admin-ui).
type AdminUI struct {
	// Enabled mounts it; dev mode does so too.
	Enabled bool `koanf:"enabled"`
	// Username and PasswordHash, a bcrypt hash, let operators in. Default "admin" and no password: then only a token
	// with Scope lets an operator in.
	Username     string           `koanf:"username"`
	PasswordHash handshake.Secret `koanf:"password_hash"`
	// Scope is the scope that a token must have. Default "admin".
	Scope string `koanf:"scope"`
	// ReadOnly lets operators watch only. Default false.
	ReadOnly bool `koanf:"read_only"`
}

func (a *AdminUI) setDefaults() {
	setDefault(&a.Username, "admin")
	setDefault(&a.Scope, adminui.DefaultScope)
}

func (c Config) checkAdminUI() error {
	return underKey("admin_ui", adminui.Config{Username: c.AdminUI.Username, PasswordHash: c.AdminUI.PasswordHash}.Check())
}

// prepareAdminUI adds the interface to the definitions. A program's own namespace of that name stays.
func (s *Server) prepareAdminUI(defs []namespaces.Definition) ([]namespaces.Definition, error) {
	on := s.cfg.AdminUI.Enabled || s.cfg.Dev
	taken := slices.ContainsFunc(defs, func(d namespaces.Definition) bool { return d.Label() == adminui.Name })
	switch {
	case !on:
		return defs, nil
	case taken && s.cfg.AdminUI.Enabled:
		return nil, fmt.Errorf("admin_ui.enabled: there is a namespace %s already; take another name for that, or switch the interface off", adminui.Name)
	case taken:
		return defs, nil
	}
	open := s.cfg.Dev && s.cfg.AdminUI.PasswordHash == ""
	if open {
		s.log.Warn("DEVELOPMENT MODE: the admin interface lets everybody in, without a password", "namespace", adminui.Name)
	}
	var node string // the host's name, for a server without a cluster
	if s.node != nil {
		node = s.node.ID()
	}
	ui, err := adminui.New(adminui.Config{
		Username: s.cfg.AdminUI.Username, PasswordHash: s.cfg.AdminUI.PasswordHash, Scope: s.cfg.AdminUI.Scope,
		ReadOnly: s.cfg.AdminUI.ReadOnly, Open: open, Server: node, Tokens: s.guard,
		Hub: func() *namespaces.Hub { return s.hub },
		Stats: func() adminui.Stats {
			return adminui.Stats{Clients: s.engine.Sessions(), Polling: int(s.polling.Load())}
		},
		Logger: s.log,
	})
	if err != nil {
		return nil, underKey("admin_ui", err)
	}
	s.adminUI, s.traffic = ui, ui.Traffic()
	return append(slices.Clip(defs), ui.Definition()), nil
}
