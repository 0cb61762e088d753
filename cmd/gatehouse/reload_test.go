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

func TestAHangupReloadsAsOftenAsItComes(t *testing.T) {
	asked := make(chan struct{})
	stop := reloadOnHangup(t.Context(), func() ([]string, error) {
		asked <- struct{}{}
		return []string{"addr"}, errors.New("a broken file")
	}, slog.New(slog.DiscardHandler))
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
	hangup(t, s, "SIGHUP: ")
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

// hangup sends SIGHUP and waits for a line of the log. Without that wait the signal
// could come when nobody listens for it any more, and end the tests.
func hangup(t *testing.T, s serving, says string) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(t, says)
}

const otherSecret = "another secret of the tests that is longer than thirty-two bytes"

func TestAHangupTakesNewSecretsAndALevelAndSaysWhatCannotBeTaken(t *testing.T) {
	file := configured(t, "jwt: {hmac_secret: "+testSecret+"}\n")
	s := serve(t, nil, "--config", file)
	tokenOf := func(secret string) string {
		return strings.TrimSpace(gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + secret}, "token", "--sub", "ada").stdout)
	}
	before, after := tokenOf(testSecret), tokenOf(otherSecret)
	if reply := enter(t, s.addr, "/chat", after); !strings.Contains(reply, "token_invalid") {
		t.Fatalf("before: %s", reply)
	}
	rewrite(t, file, "jwt: {hmac_secret: "+otherSecret+", previous_hmac_secret: "+testSecret+"}\nengine: {ping_interval: 9s}\nchat: {max_text: 7}\nfiles: "+t.TempDir()+"\n")
	hangup(t, s, "need a restart")
	for _, token := range []string{before, after} {
		if reply := enter(t, s.addr, "/chat", token); !strings.HasPrefix(reply, "40/chat,") {
			t.Errorf("with both secrets: %s", reply)
		}
	}
	rewrite(t, file, "jwt: {hmac_secret: "+otherSecret+"}\n")
	hangup(t, s, "is read again and in force")
	if reply := enter(t, s.addr, "/chat", before); !strings.Contains(reply, "token_invalid") {
		t.Errorf("with the new one alone: %s", reply)
	}
	rewrite(t, file, "jwt: {hmac_secret: short}\n")
	hangup(t, s, "the old one stays in force")
	if reply := enter(t, s.addr, "/chat", after); !strings.HasPrefix(reply, "40/chat,") {
		t.Errorf("after a wrong file: %s", reply)
	}
	r := s.stop()
	for _, want := range []string{`"keys":["engine.ping_interval","chat.max_text","files"]`, file + ":1: jwt.hmac_secret", "draining"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the log has no %s:\n%s", want, r.stderr)
		}
	}
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
