package server_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/server"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue signs a certificate and writes it with its key as name.pem and name.key.
func (a *authority) issue(name string, template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serverCertificate is one for 127.0.0.1.
func (a *authority) serverCertificate(name string) {
	a.issue("server", &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (a *authority) clientCertificate(uri string) tls.Certificate {
	named, err := url.Parse(uri)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.issue("client", &x509.Certificate{
		Subject: pkix.Name{CommonName: "spiffe://evil.example/root"}, URIs: []*url.URL{named},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// client is how a client of this authority's server speaks TLS.
func (a *authority) client(certs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: certs}
}

func (a *authority) tls(clientAuth string) server.TLS {
	cfg := server.TLS{CertFile: a.path("server.pem"), KeyFile: a.path("server.key"), ClientAuth: clientAuth}
	if clientAuth != "" && clientAuth != "none" {
		cfg.ClientCAFile = a.path("ca.pem")
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
	a.write("server.pem", "CERTIFICATE", []byte("nothing"))
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
	cert, key := a.path("server.pem"), a.path("server.key")
	for _, c := range []struct {
		cfg   server.TLS
		words string
	}{
		{server.TLS{CertFile: cert}, "tls.key_file"},
		{server.TLS{CertFile: cert, KeyFile: a.path("none")}, "tls.key_file"},
		{server.TLS{CertFile: cert, KeyFile: cert}, "tls.cert_file"},
		{server.TLS{ClientAuth: "maybe"}, "tls.client_auth"},
		{server.TLS{ClientAuth: "require"}, "tls.cert_file"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientAuth: "require"}, "tls.client_ca_file"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientCAFile: a.path("ca.pem")}, "tls.client_auth"},
		{server.TLS{CertFile: cert, KeyFile: key, ClientAuth: "require", ClientCAFile: key}, "tls.client_ca_file"},
	} {
		if err := startsWith(t, server.Config{TLS: c.cfg}); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
