package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reloads counts what reloadOnHangup asks for, and fails.
type reloads chan struct{}

func (r reloads) ReloadTLS() error {
	r <- struct{}{}
	return errors.New("a broken file")
}

func TestAHangupReloadsAsOftenAsItComes(t *testing.T) {
	asked := make(reloads)
	stop := reloadOnHangup(t.Context(), asked, slog.New(slog.DiscardHandler))
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-asked
	}
	stop()
}

// A terminal that closes and logrotate send SIGHUP, too.
func TestAHangupWithoutTLSEndsNothing(t *testing.T) {
	s := serve(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret})
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if answer := get(t, "http://"+s.addr+"/healthz"); !strings.Contains(answer, "alive") {
		t.Errorf("afterwards: %q", answer)
	}
}

// selfSigned writes a certificate for 127.0.0.1 with its key.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, "CERTIFICATE", der), written(t, "PRIVATE KEY", keyDER)
}

func written(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHealthSpeaksTLSWithAServerThatDoes(t *testing.T) {
	cert, key := selfSigned(t)
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret, "GATEHOUSE_TLS_CERT_FILE=" + cert, "GATEHOUSE_TLS_KEY_FILE=" + key}
	s := serve(t, environ)
	if r := gatehouse(t, environ, "health", "--addr", s.addr); r.code != 0 || r.stdout != "ready\n" {
		t.Errorf("%+v", r)
	}
}
