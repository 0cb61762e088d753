package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// The values of tls.client_auth.
const (
	clientAuthNone    = "none"
	clientAuthRequest = "request"
	clientAuthRequire = "require"
)

// load reads the files and makes what a listener needs of them.
func (t TLS) load() (*tls.Config, error) {
	certPEM, err := readable("tls.cert_file", t.CertFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readable("tls.key_file", t.KeyFile)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
	}
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		// A WebSocket's message is one record, and has its overhead once.
		DynamicRecordSizingDisabled: true,
		NextProtos:                  []string{"http/1.1"}, // a WebSocket takes the connection over, which HTTP/2 has none of
	}
	return cfg, t.loadClientCAs(cfg)
}

func (t TLS) loadClientCAs(cfg *tls.Config) error {
	switch t.ClientAuth {
	case clientAuthRequest:
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	case clientAuthRequire:
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return nil
	}
	text, err := readable("tls.client_ca_file", t.ClientCAFile)
	if err != nil {
		return err
	}
	cfg.ClientCAs = x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("tls.client_ca_file: %s holds no certificate in PEM", t.ClientCAFile)
	}
	return nil
}

// keyring is the TLS configuration in force. New connections take the newest;
// those that are open keep theirs.
type keyring struct{ current atomic.Pointer[tls.Config] }

// wrap puts TLS on a listener, when there is any.
func (k *keyring) wrap(ln net.Listener, asksClients bool) net.Listener {
	if k.current.Load() == nil {
		return ln
	}
	return tls.NewListener(ln, k.config(asksClients))
}

// config is that of a listener, which asks at each handshake what is in force.
func (k *keyring) config(asksClients bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			cfg := k.current.Load()
			if !asksClients && cfg.ClientAuth != tls.NoClientCert {
				cfg = cfg.Clone()
				cfg.ClientAuth = tls.NoClientCert
			}
			return cfg, nil
		},
	}
}

// ErrNoTLS is what ReloadTLS says of a server without TLS.
var ErrNoTLS = errors.New("tls: there is no TLS listener to reload")

// ReloadTLS reads the files of Config.TLS again; new connections get what they
// hold now. On an error the old ones stay in force; it is [ErrNoTLS] where there
// is no TLS.
func (s *Server) ReloadTLS() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	if !s.given.TLS.enabled() {
		return ErrNoTLS
	}
	cfg, err := s.given.TLS.load()
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	s.keys.current.Store(cfg)
	s.log.Info("certificate loaded", slog.Time("until", expiryOf(cfg)))
	return nil
}

func expiryOf(cfg *tls.Config) time.Time {
	if leaf := cfg.Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}
