package handshake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// CertificateConfig is about TLS client certificates. The TLS listener decides
// which authorities it believes; here a verified certificate becomes a name.
type CertificateConfig struct {
	// Identity is the field that names the client: uri, dns or email of the
	// subject's alternative names, or common_name of the subject. Empty means uri.
	Identity string `koanf:"identity" yaml:"identity"`
	// Allow lists the names that are let in, exactly; empty allows every name that
	// the authorities certify.
	Allow []string `koanf:"allow" yaml:"allow"`
}

func (c CertificateConfig) withDefaults() CertificateConfig {
	c.Identity = cmp.Or(c.Identity, "uri")
	return c
}

// certificates names the holder of a client certificate (RFC 5280, 4.2.1.6).
type certificates struct {
	names func(*x509.Certificate) []string
	allow []string
}

func newCertificates(cfg CertificateConfig) (*certificates, error) {
	c := &certificates{allow: cfg.Allow}
	switch cfg.Identity {
	case "uri":
		c.names = uriNames
	case "dns":
		c.names = func(leaf *x509.Certificate) []string { return leaf.DNSNames }
	case "email":
		c.names = func(leaf *x509.Certificate) []string { return leaf.EmailAddresses }
	case "common_name":
		c.names = func(leaf *x509.Certificate) []string { return []string{leaf.Subject.CommonName} }
	default:
		return nil, fmt.Errorf("certificate.identity: %q is no field; there are uri, dns, email and common_name", cfg.Identity)
	}
	return c, nil
}

func uriNames(leaf *x509.Certificate) []string {
	names := make([]string, len(leaf.URIs))
	for i, uri := range leaf.URIs {
		names[i] = uri.String()
	}
	return names
}

// verifiedLeaf returns the client's certificate if the TLS stack verified its
// chain. A certificate that was only presented does not count.
func verifiedLeaf(r *Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

// certificateOf finds a verified client certificate.
func certificateOf(r *Request) (Credential, error) {
	if verifiedLeaf(r) == nil {
		return Credential{}, ErrNotMine
	}
	return Credential{Kind: KindCertificate}, nil
}

// Verify names the certificate's holder. It refuses a certificate with no
// name, or with two.
func (c *certificates) Verify(_ context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindCertificate {
		return Identity{}, ErrNotMine
	}
	leaf := verifiedLeaf(cred.Request)
	names := c.names(leaf)
	if len(names) != 1 || names[0] == "" {
		return Identity{}, refuse(CodeUnauthenticated, "The client certificate does not name one identity.", fmt.Errorf("certificate: %d names", len(names)))
	}
	if len(c.allow) > 0 && !slices.Contains(c.allow, names[0]) {
		return Identity{}, refuse(CodeForbidden, "This certificate's holder is not let in here.", errors.New("certificate: name not in certificate.allow"))
	}
	sum := sha256.Sum256(leaf.Raw)
	return Identity{
		Subject: names[0], Name: names[0], Issuer: leaf.Issuer.String(), TokenID: hex.EncodeToString(sum[:]),
		IssuedAt: leaf.NotBefore, ExpiresAt: leaf.NotAfter,
	}, nil
}
