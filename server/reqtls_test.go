package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/server"
)

// authority signs certificates for a test.
type authority struct {
	*wiretest.Authority
	t *testing.T
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	return &authority{wiretest.NewAuthority(t, name), t}
}

// serverCertificate is a certificate for 127.0.0.1.
func (a *authority) serverCertificate(name string) {
	a.Issue("server", &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (a *authority) clientCertificate(uri string) tls.Certificate {
	named, err := url.Parse(uri)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.Issue("client", &x509.Certificate{
		Subject: pkix.Name{CommonName: "spiffe://evil.example/root"}, URIs: []*url.URL{named},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// client returns the TLS settings of a client that trusts this authority.
func (a *authority) client(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: a.Pool(), Certificates: certs}
}

func (a *authority) tls(clientAuth string) server.TLS {
	cfg := server.TLS{CertFile: a.Path("server.pem"), KeyFile: a.Path("server.key"), ClientAuth: clientAuth}
	if clientAuth != "" && clientAuth != "none" {
		cfg.ClientCAFile = a.Path("ca.pem")
	}
	return cfg
}

func TestReq22_PasswordsNeedTLS(t *testing.T) {
	cfg := server.Config{
		Auth:  handshake.AuthConfig{Methods: []string{"token", "basic"}},
		Basic: handshake.BasicConfig{Users: []handshake.BasicUser{{Name: "ada", Hash: handshake.Secret(wiretest.PasswordHash("open sesame"))}}},
	}
	if err := startsWith(t, cfg); err == nil {
		t.Fatal("it starts with basic and without TLS")
	} else {
		says(t, err.Error(), "basic", "tls.cert_file", "trusted_proxies")
	}
	a := newAuthority(t, "ours")
	a.serverCertificate("one")
	cfg.TLS = a.tls("")
	r := serve(t, cfg, who("/who")...)
	basic := func(password string) http.Header {
		return page("", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ada:"+password)))
	}
	over(t, func(t *testing.T, transport string) {
		for password, want := range map[string]string{"open sesame": "in", "guess": "unauthenticated"} {
			c := come(t, r.addr, way{transport: transport, header: basic(password), tls: a.client()})
			if got := sendConnect(c, "/who", ""); got != want {
				t.Errorf("password %q: %s, want %s", password, got, want)
			}
		}
	})
	proxied := serve(t, server.Config{Auth: cfg.Auth, Basic: cfg.Basic, TrustedProxies: []string{"127.0.0.1"}}, who("/who")...)
	for proto, want := range map[string]string{"https": "in", "http": "unauthenticated"} {
		h := basic("open sesame")
		h.Set("X-Forwarded-Proto", proto)
		if got := sendConnect(come(t, proxied.addr, way{transport: "websocket", header: h}), "/who", ""); got != want {
			t.Errorf("behind a proxy that says %s: %s", proto, got)
		}
	}
}

func TestReq23_ClientCertificates(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	ours.serverCertificate("one")
	device, stranger := ours.clientCertificate("spiffe://ours.example/device/7"), theirs.clientCertificate("spiffe://ours.example/device/7")
	ways := handshake.AuthConfig{Methods: []string{"token", "certificate"}}
	if err := startsWith(t, server.Config{Auth: ways, TLS: ours.tls("")}); err == nil {
		t.Error("it starts with certificate and without asking for any")
	}
	r := serve(t, server.Config{Auth: ways, TLS: ours.tls("request")}, who("/who")...)
	over(t, func(t *testing.T, transport string) {
		c := come(t, r.addr, way{transport: transport, tls: ours.client(device)})
		if got := sendConnect(c, "/who", ""); got != "in" {
			t.Fatal(got)
		}
		if got := whoami(t, c, "/who"); got != `["spiffe://ours.example/device/7 by certificate"]` {
			t.Error(got)
		}
		if got := sendConnect(come(t, r.addr, way{transport: transport, tls: ours.client()}), "/who", ""); got != "unauthenticated" {
			t.Errorf("without a certificate: %s", got)
		}
		if c, err := (way{transport: transport, tls: ours.client(stranger)}).open(t, r.addr); err == nil {
			if got := sendConnect(c, "/who", ""); got == "in" {
				t.Error("a stranger's certificate opens the door")
			}
		}
	})
	required := serve(t, server.Config{Auth: ways, TLS: ours.tls("require")}, who("/who")...)
	if _, err := (way{transport: "polling", tls: ours.client()}).open(t, required.addr); err == nil {
		t.Error("required, but not needed")
	}
	if got := sendConnect(come(t, required.addr, way{transport: "polling", tls: ours.client(device)}), "/who", ""); got != "in" {
		t.Error(got)
	}
}

func TestTLSTakesRenewedCertificatesAndKeepsGoodOnes(t *testing.T) {
	a := newAuthority(t, "ours")
	a.serverCertificate("first")
	r := serve(t, server.Config{TLS: a.tls("")})
	presented := func() string {
		conn, err := (&tls.Dialer{Config: a.client()}).DialContext(t.Context(), "tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		state := conn.(*tls.Conn).ConnectionState()
		if state.Version < tls.VersionTLS12 || state.NegotiatedProtocol == "h2" {
			t.Errorf("version %x, protocol %q", state.Version, state.NegotiatedProtocol)
		}
		return state.PeerCertificates[0].Subject.CommonName
	}
	if got := presented(); got != "first" {
		t.Error(got)
	}
	a.serverCertificate("second")
	if err := r.server.ReloadTLS(); err != nil {
		t.Fatal(err)
	}
	if got := presented(); got != "second" {
		t.Error(got)
	}
	a.Write("server.pem", "CERTIFICATE", []byte("nothing"))
	if err := r.server.ReloadTLS(); err == nil {
		t.Error("a broken file is taken")
	}
	if got := presented(); got != "second" {
		t.Errorf("after a broken file: %s", got)
	}
	old := a.client()
	old.MaxVersion = tls.VersionTLS11
	if conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", r.addr); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestMistakesInTheTLSSectionAreNamed(t *testing.T) {
	a := newAuthority(t, "ours")
	a.serverCertificate("one")
	cert, key := a.Path("server.pem"), a.Path("server.key")
	for _, c := range []struct {
		cfg   server.TLS
		words string
	}{
		{server.TLS{CertFile: cert}, "tls.key_file"},
		{server.TLS{CertFile: cert, KeyFile: a.Path("none")}, "tls.key_file"},
		{server.TLS{CertFile: cert, KeyFile: cert}, "tls.cert_file"},
		{server.TLS{ClientAuth: "maybe"}, "tls.client_auth"},
		{server.TLS{ClientAuth: "require"}, "tls.cert_file"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientAuth: "require"}, "tls.client_ca_file"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientCAFile: a.Path("ca.pem")}, "tls.client_auth"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientAuth: "require", ClientCAFile: key}, "tls.client_ca_file"},
	} {
		if err := startsWith(t, server.Config{TLS: c.cfg}); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
