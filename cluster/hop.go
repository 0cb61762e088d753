package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// secureScheme begins the address of a node that has TLS between nodes.
const secureScheme = "https"

// hopURL returns scheme and host of a node's address.
func hopURL(info NodeInfo) (scheme, host string) {
	if host, secure := strings.CutPrefix(info.Address, secureScheme+"://"); secure {
		return secureScheme, host
	}
	return "http", info.Address
}

// hops carries requests to other nodes. Its errors say what to do.
type hops struct {
	http.Transport
	tls func() *tls.Config // nil without TLS
}

// Errors when TLS between nodes is on at one of them only.
var (
	errTheirsHasTLS  = errors.New("it has TLS between nodes and this node has none; set cluster.tls here too")
	errTheirsHasNone = errors.New("it has no TLS between nodes and this node has; set cluster.tls there too")
	errHopRefused    = errors.New("it refuses requests of this node; cluster.secret must be the same on both, and their clocks may differ by two minutes")
)

func newHops(config func() *tls.Config) *hops {
	h := &hops{tls: config}
	dialer := &net.Dialer{Timeout: forwardDial}
	h.Transport = http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: forwardPerHop, IdleConnTimeout: forwardIdle, DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, forwardDial)
			defer cancel()
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			cfg := config().Clone()
			if cfg.ServerName == "" {
				cfg.ServerName, _, _ = net.SplitHostPort(addr)
			}
			secured := tls.Client(conn, cfg)
			if err := secured.HandshakeContext(ctx); err != nil {
				_ = conn.Close()
				return nil, err
			}
			return secured, nil
		},
	}
	return h
}

// RoundTrip implements http.RoundTripper.
func (h *hops) RoundTrip(r *http.Request) (*http.Response, error) {
	if secure := r.URL.Scheme == secureScheme; secure != (h.tls != nil) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		if secure {
			return nil, errTheirsHasTLS
		}
		return nil, errTheirsHasNone
	}
	answer, err := h.Transport.RoundTrip(r)
	switch {
	case err != nil:
		return nil, withCure(err)
	case !answer.ProtoAtLeast(1, 1): // net/http's answer to plain HTTP at a listener with TLS
		err = errTheirsHasTLS
	case answer.Header.Get(forwardHeader) != "":
		err = errHopRefused
	default:
		return answer, nil
	}
	_ = answer.Body.Close()
	return nil, err
}

// withCure adds the cure to an error of TLS.
func withCure(err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		name     x509.HostnameError
		plain    tls.RecordHeaderError
		answered *net.OpError
	)
	const reload = " and send SIGHUP"
	var cure string
	switch {
	case errors.As(err, &unknown):
		cure = "cluster.tls.ca_file here must hold the authority that signed cluster.tls.cert_file there; correct one of them" + reload
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		cure = "renew cluster.tls.cert_file there" + reload + ", or set the clocks"
	case errors.As(err, &invalid):
		cure = "make cluster.tls.cert_file there anew" + reload
	case errors.As(err, &name):
		cure = "cluster.tls.cert_file there must name the host of its cluster.advertise, or what cluster.tls.server_name is on all nodes; make it anew" + reload
	case errors.As(err, &plain):
		return fmt.Errorf("%w: %w", errTheirsHasNone, err)
	case errors.As(err, &answered) && answered.Op == "remote error":
		cure = "it does not take cluster.tls.cert_file of this node; its log says why"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, cure)
}
