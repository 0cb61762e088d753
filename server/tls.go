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

// load reads the files and makes the TLS configuration of a listener.
func (t TLS) load() (*tls.Config, error) {
	cert, err := keyPair("tls", t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		// A WebSocket's message is one record, and has its overhead once.
		DynamicRecordSizingDisabled: true,
		NextProtos:                  []string{"http/1.1"}, // a WebSocket takes the whole connection over, which HTTP/2 does not allow
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
	var err error
	cfg.ClientCAs, err = authoritiesIn("tls.client_ca_file", t.ClientCAFile)
	return err
}

// keyPair reads a certificate and its private key. section is the configuration's, for errors.
func keyPair(section, certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := readable(section+".cert_file", certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readable(section+".key_file", keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return cert, fmt.Errorf("%s.cert_file, %s.key_file: %w", section, section, err)
	}
	return cert, nil
}

// authoritiesIn reads certificates of authorities.
func authoritiesIn(key, file string) (*x509.CertPool, error) {
	text, err := readable(key, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM", key, file)
	}
	return pool, nil
}

// keyring is the TLS configuration in force. New connections take the newest;
// those that are open keep theirs.
type keyring struct{ current atomic.Pointer[tls.Config] }

// wrap puts TLS on a listener, if TLS is configured.
func (k *keyring) wrap(ln net.Listener, asksClients bool) net.Listener {
	if k.current.Load() == nil {
		return ln
	}
	return tls.NewListener(ln, k.config(asksClients))
}

// config is the configuration of a listener. It uses the keyring's newest at each handshake.
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

// ErrNoTLS is the error of ReloadTLS for a server without TLS.
var ErrNoTLS = errors.New("tls: there is no TLS listener to reload")

// ReloadTLS reads the files of Config.TLS and Config.Cluster.TLS again; new connections use their present
// content. It takes over all of them or none: on an error, of whichever file, the old ones stay in force.
// ([Server.Reload] takes the rest over when only files of Cluster.TLS are wrong.) The error is [ErrNoTLS]
// where there is no TLS.
func (s *Server) ReloadTLS() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	clients, nodes := s.given.TLS.enabled(), s.given.Cluster.on() && s.given.Cluster.TLS.enabled()
	if !clients && !nodes {
		return ErrNoTLS
	}
	use, err := s.prepareKeys(clients, nodes, s.given)
	if err == nil {
		use()
	}
	return err
}

// prepareKeys reads files of cfg, which use takes over: for clients, where they had TLS before, and for nodes.
func (s *Server) prepareKeys(clients, nodes bool, cfg Config) (use func(), err error) {
	var forClients, forNodes *tls.Config
	if clients && s.keys.current.Load() != nil {
		if forClients, err = cfg.TLS.load(); err != nil {
			return nil, fmt.Errorf("reload: %w", err)
		}
	}
	if nodes && s.hopKeys.current.Load() != nil {
		if forNodes, err = cfg.Cluster.loadTLS(time.Now()); err != nil {
			return nil, fmt.Errorf("reload: %w", err)
		}
	}
	return func() {
		if forClients != nil {
			s.keys.current.Store(forClients)
			s.log.Info("certificate loaded", slog.Time("until", expiryOf(forClients)))
		}
		if forNodes != nil {
			s.hopKeys.current.Store(forNodes)
			s.sayHopKeys(forNodes)
		}
	}, nil
}

func expiryOf(cfg *tls.Config) time.Time {
	if leaf := cfg.Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}
