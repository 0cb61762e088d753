package handshake

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// presenting is a TLS connection whose client certificate was verified, or
// only presented.
func presenting(leaf *x509.Certificate, verified bool) *Request {
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if verified {
		state.VerifiedChains = [][]*x509.Certificate{{leaf}}
	}
	return &Request{Namespace: "/", TLS: state, Secure: true}
}

func TestReq23_IdentityComesFromTheVerifiedChain(t *testing.T) {
	uri := &url.URL{Scheme: "spiffe", Host: "example", Path: "/pump"}
	leaf := &x509.Certificate{
		Raw: []byte("der"), URIs: []*url.URL{uri}, DNSNames: []string{"pump.example"}, EmailAddresses: []string{"a@example", "b@example"},
		Subject: pkix.Name{CommonName: "CN=admin,pump"}, Issuer: pkix.Name{CommonName: "our ca"},
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
	}
	for name, c := range map[string]struct {
		cfg      CertificateConfig
		verified bool
		subject  string
		want     Code
	}{
		"uri":                {CertificateConfig{}, true, "spiffe://example/pump", ""},
		"dns":                {CertificateConfig{Identity: "dns"}, true, "pump.example", ""},
		"common name, whole": {CertificateConfig{Identity: "common_name"}, true, "CN=admin,pump", ""},
		"two emails":         {CertificateConfig{Identity: "email"}, true, "", CodeUnauthenticated},
		"allowed":            {CertificateConfig{Identity: "dns", Allow: []string{"pump.example"}}, true, "pump.example", ""},
		"not allowed":        {CertificateConfig{Identity: "dns", Allow: []string{"ump.example", "admin"}}, true, "", CodeForbidden},
		"only presented":     {CertificateConfig{}, false, "", CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, GateConfig{Auth: AuthConfig{Methods: []string{MethodCertificate}}, Certificate: c.cfg})
			id, err := g.Check(t.Context(), presenting(leaf, c.verified))
			wantCode(t, err, c.want)
			if id.Subject != c.subject || c.want == "" && (!id.ExpiresAt.Equal(leaf.NotAfter) || id.Issuer != "CN=our ca") {
				t.Fatalf("identity is %+v", id)
			}
		})
	}
	if _, err := NewGate(GateConfig{Auth: AuthConfig{Methods: []string{MethodCertificate}}, Certificate: CertificateConfig{Identity: "cn"}}); err == nil {
		t.Error("an unknown field is accepted")
	}
}

func TestReq23_IdentityHeadersComeFromProxiesOnly(t *testing.T) {
	g := newGate(t, GateConfig{Auth: AuthConfig{Methods: []string{MethodProxyHeader}}, ProxyHeader: ProxyHeaderConfig{Name: "x-user"}})
	for _, c := range []struct {
		via   bool
		users []string
		want  Code
	}{
		{true, []string{"ann"}, ""}, {false, []string{"ann"}, CodeUnauthenticated},
		{true, nil, CodeUnauthenticated}, {true, []string{""}, CodeUnauthenticated}, {true, []string{"ann", "bob"}, CodeUnauthenticated},
	} {
		_, err := g.Check(t.Context(), &Request{Namespace: "/", ViaProxy: c.via, Header: http.Header{"X-User": c.users}})
		wantCode(t, err, c.want)
	}
}
