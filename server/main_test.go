package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// TestMain passes over a goroutine of the Redis client that sleeps, for a second at
// most, before it finds its client closed. Tests that run side by side are those that
// wait for deadlines: more of them than there are processors.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8")             // the command line, which is read later, decides
	slog.SetDefault(slog.New(slog.DiscardHandler)) // servers whose log no test reads
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

const secret = "a-secret-of-the-tests-that-is-long-enough-for-every-HMAC-of-theirs"

// journal is a log that a test reads while a server writes.
type journal struct {
	flush func() // what a logger has queued

	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	if j.flush != nil {
		j.flush()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// logger returns a logger that writes to the journal until the test ends.
func (j *journal) logger(t *testing.T, cfg server.Log) *slog.Logger {
	t.Helper()
	log, out, err := server.NewLogger(cfg, j)
	if err != nil {
		t.Fatal(err)
	}
	j.flush = func() { _ = out.Flush(context.Background()) }
	t.Cleanup(func() { _ = out.Close(context.Background()) })
	return log
}

// running is a server under test.
type running struct {
	t    *testing.T
	addr string
	log  *journal
	seen journal // what call was answered

	server *server.Server
	config server.Config
	end    context.CancelFunc
	done   chan error
}

// serve starts a server on a free port; the test ends it or its cleanup does.
func serve(t *testing.T, cfg server.Config, defs ...namespaces.Definition) *running {
	t.Helper()
	r := &running{t: t, log: &journal{}, done: make(chan error, 1)}
	cfg.JWT = handshake.JWTConfig{HMACSecret: secret}
	cfg.Log.Level = "debug"
	if cfg.Engine.CloseTimeout == 0 {
		cfg.Engine.CloseTimeout = time.Second // for clients that tests leave behind; long enough for a busy machine to fetch the last packet
	}
	if cfg.Drain.Spread == 0 {
		cfg.Drain.Spread = time.Millisecond // nobody comes back
	}
	cfg.Logger = r.log.logger(t, cfg.Log)
	r.config = cfg
	s, err := server.New(cfg, defs...)
	if err != nil {
		t.Fatal(err)
	}
	r.server = s
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.addr, r.end = ln.Addr().String(), cancel
	go func() { r.done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// stopped ends the server and returns the error of Serve.
func (r *running) stopped() error {
	r.end()
	err := <-r.done
	r.done <- err // for the cleanup
	return err
}

func (r *running) url(path string) string { return "http://" + r.addr + path }

// token makes a token that the server accepts.
func token(t *testing.T, subject string) string {
	t.Helper()
	return mint(t, handshake.TokenSpec{Subject: subject})
}

func mint(t *testing.T, spec handshake.TokenSpec) string {
	t.Helper()
	signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: secret}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec.TTL = time.Hour
	text, _, err := signer.Sign(spec)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// says checks that the text has each of the words.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// expired makes a token that was good until an hour ago.
func expired(t *testing.T, subject string) string {
	t.Helper()
	past := func() time.Time { return time.Now().Add(-2 * time.Hour) }
	signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: secret}, past, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := signer.Sign(handshake.TokenSpec{Subject: subject, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mintRaw signs claims as they are written.
func mintRaw(t *testing.T, claims string) string {
	t.Helper()
	text := base64url(`{"alg":"HS256","typ":"JWT"}`) + "." + base64url(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
