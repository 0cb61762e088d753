package redisconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/redis/rueidis"
)

// Trust returns the TLS files for connections to a Redis with TLS (rediss://): the authorities that its certificates are
// verified against, nil for those of the machine, and a client certificate. It is called for each connection.
type Trust func() (roots *x509.CertPool, own []tls.Certificate, err error)

// Options reads a URL of Redis. Connections, also those to Sentinels, use trust where the URL has TLS. An error of a
// connection says what to do. An error about the URL may contain the password.
func Options(url string, trust Trust) (rueidis.ClientOption, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil || option.TLSConfig == nil {
		return option, err
	}
	option.Sentinel.TLSConfig = option.TLSConfig
	option.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, base *tls.Config) (net.Conn, error) {
		roots, own, err := trust()
		if err != nil {
			return nil, err
		}
		cfg := base.Clone()
		cfg.RootCAs = roots
		if len(own) > 0 { // sent whichever authorities Redis names, so that Redis says what is wrong with the certificate
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own[0], nil }
		}
		conn, err := (&tls.Dialer{NetDialer: dialer, Config: cfg}).DialContext(ctx, "tcp", addr)
		return conn, withCure(err)
	}
	return option, nil
}

// withCure adds the cure to an error of verification.
func withCure(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; redis.tls.ca_file must hold the authority that signed the certificate of Redis", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w; the certificate of Redis must name the first host of redis.url", err)
	case errors.As(err, &plain):
		return fmt.Errorf("%w; Redis speaks no TLS at this port: write redis:// in redis.url, or its tls-port", err)
	}
	return err
}

// Connect makes a client. A Redis that does not take a certificate says so when the handshake is over already, or just hangs up.
func Connect(option rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(option)
	switch {
	case err == nil:
		return client, nil
	case !hungUp(err):
		return nil, err
	case option.TLSConfig == nil:
		return nil, fmt.Errorf("%w; if Redis speaks TLS at this port, write rediss:// in redis.url", err)
	}
	return nil, fmt.Errorf("%w; if Redis wants a certificate (tls-auth-clients), set redis.tls.cert_file to one that it takes", err)
}

func hungUp(err error) bool {
	var refused *net.OpError
	return errors.As(err, &refused) && refused.Op == "remote error" ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
