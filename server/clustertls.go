package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// ClusterTLS encrypts the requests that nodes hand to each other, with TLS 1.3, and proves to each that the other is a
// node. Set all three files, or none. They are read again on SIGHUP; then ServerName is taken over, too.
type ClusterTLS struct {
	CertFile string `koanf:"cert_file" derived:"nodes hand requests to each other without TLS" doc:"this node's certificate with its chain, in PEM: for server and client authentication, and naming the host of cluster.advertise. Set it on all nodes; read again on SIGHUP, as the other two"`
	KeyFile  string `koanf:"key_file" doc:"its key"`
	CAFile   string `koanf:"ca_file" doc:"the authorities that sign the nodes' certificates and nobody else's; whoever has one is let speak at cluster.addr"`

	ServerName string `koanf:"server_name" derived:"the host of the other node's cluster.advertise" doc:"the name that the certificate of every node has, where nodes get their addresses as they start; the same on all nodes"`
}

func (t ClusterTLS) enabled() bool { return t != ClusterTLS{} }

const (
	httpScheme  = "http://"
	httpsScheme = "https://"
)

// advertised is the address at which other nodes reach this one; it begins with https:// where the listener has TLS.
func (c *Cluster) advertised() string {
	if c.TLS.enabled() {
		return httpsScheme + c.advertisedHost()
	}
	return c.advertisedHost()
}

// advertisedHost is the advertised address without a scheme.
func (c *Cluster) advertisedHost() string {
	if c.Advertise == "" {
		return c.Addr
	}
	return strings.TrimPrefix(strings.TrimPrefix(c.Advertise, httpScheme), httpsScheme)
}

func (c *Cluster) checkTLS() error {
	t := c.TLS
	switch {
	case !t.enabled() && strings.HasPrefix(c.Advertise, httpsScheme):
		return errors.New("cluster.advertise: https needs cluster.tls.cert_file, cluster.tls.key_file and cluster.tls.ca_file; set them, or write it without https://")
	case !t.enabled():
		return nil
	case c.Addr == "":
		return errors.New("cluster.tls: without cluster.addr nodes hand no requests to each other; set it, or remove cluster.tls")
	case strings.HasPrefix(c.Advertise, httpScheme):
		return errors.New("cluster.advertise: is http, and cluster.tls is set; write https://, or remove cluster.tls")
	}
	for _, file := range []struct{ key, name string }{{"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"ca_file", t.CAFile}} {
		if file.name == "" {
			return fmt.Errorf("cluster.tls.%s: is empty, and something else of cluster.tls is set; set all three files, or none", file.key)
		}
	}
	_, err := c.loadTLS(time.Now())
	return err
}

// loadTLS reads the files and makes the TLS settings of both ends of a hop. Other nodes check the certificate in the same
// way.
func (c *Cluster) loadTLS(now time.Time) (*tls.Config, error) {
	t := c.TLS
	cert, err := keyPair("cluster.tls", t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	authorities, err := authoritiesIn("cluster.tls.ca_file", t.CAFile)
	if err != nil {
		return nil, err
	}
	if err := judge(cert, authorities, now); err != nil {
		return nil, fmt.Errorf("cluster.tls.cert_file: %w", err)
	}
	if err := c.judgeName(cert.Leaf); err != nil {
		return nil, fmt.Errorf("cluster.tls.cert_file: %w", err)
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13, // both ends are ours
		Certificates:         []tls.Certificate{cert},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }, // the other node says what is wrong with it
		RootCAs:              authorities,
		ClientCAs:            authorities,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		ServerName:           t.ServerName,
		NextProtos:           []string{"http/1.1"}, // WebSockets pass through

		DynamicRecordSizingDisabled: true,
	}, nil
}

// judgeName returns an error when other nodes would not find the name that they look for in a certificate.
func (c *Cluster) judgeName(leaf *x509.Certificate) error {
	if name := c.TLS.ServerName; name != "" {
		if err := leaf.VerifyHostname(name); err != nil {
			return fmt.Errorf("the certificate does not name %s, which cluster.tls.server_name is (%w); make it for that name", name, err)
		}
		return nil
	}
	host, _, _ := net.SplitHostPort(c.advertisedHost())
	if err := leaf.VerifyHostname(host); err != nil {
		return fmt.Errorf("the certificate does not name %s, where other nodes reach this one by cluster.advertise (%w); make it for that host, or for one name of all nodes and set cluster.tls.server_name", host, err)
	}
	return nil
}

// judge returns the reason for which other nodes would refuse a certificate whatever its name, or nil.
func judge(cert tls.Certificate, authorities *x509.CertPool, now time.Time) error {
	leaf := cert.Leaf
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate has expired, on %s; renew it", leaf.NotAfter.Format(day))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s; wait, or set the clock", leaf.NotBefore.Format(day))
	}
	options := x509.VerifyOptions{Roots: authorities, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, der := range cert.Certificate[1:] {
		if one, err := x509.ParseCertificate(der); err == nil {
			options.Intermediates.AddCert(one)
		}
	}
	for _, use := range []struct {
		of   x509.ExtKeyUsage
		name string
	}{{x509.ExtKeyUsageServerAuth, "server"}, {x509.ExtKeyUsageClientAuth, "client"}} {
		options.KeyUsages = []x509.ExtKeyUsage{use.of}
		_, err := leaf.Verify(options)
		var invalid x509.CertificateInvalidError
		switch {
		case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
			return fmt.Errorf("the certificate is not for %s authentication, and a node needs one for server and client; make it with both", use.name)
		case err != nil:
			return fmt.Errorf("no authority of cluster.tls.ca_file has signed it, or one on the way is missing or has expired (%w); name the right authority, or put the whole chain into the file", err)
		}
	}
	return nil
}

// prepareClusterTLS reads the files of cluster.tls, when there are any.
func (s *Server) prepareClusterTLS() error {
	if !s.cfg.Cluster.on() || !s.cfg.Cluster.TLS.enabled() {
		return nil
	}
	keys, err := s.cfg.Cluster.loadTLS(time.Now())
	if err != nil {
		return err
	}
	s.hopKeys.current.Store(keys)
	return nil
}

// sayHopKeys logs until when other nodes accept this node's certificate.
func (s *Server) sayHopKeys(keys *tls.Config) {
	s.log.Info("certificate for the other nodes loaded", slog.Time("until", expiryOf(keys)))
}
