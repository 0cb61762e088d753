package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/internal/wiretest"
)

const (
	secret     = "a secret that only this test knows, long enough"
	startLimit = 30 * time.Second
	stopLimit  = 30 * time.Second
)

const settings = `
addr: 127.0.0.1:0
jwt: {hmac_secret: "` + secret + `"}
chat: {enabled: true}
echo: {enabled: true}
engine: {close_timeout: 1s}
drain: {spread: 1ms, timeout: 5s}
`

// target is one process of the server.
type target struct {
	options
	dir    string // folder of the configuration and the certificate
	addr   string
	from   string      // the address that clients come from; empty: any
	secure *tls.Config // nil: no TLS
	cmd    *exec.Cmd
	logs   *reader
	done   chan error // what Wait said; filled once
}

// start runs the binary with more settings and, when files is not 0, with that
// many files at most. It returns when the server listens.
func start(ctx context.Context, o options, dir, more string, files int) (*target, error) {
	secure, more, err := o.security(dir, more)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "gatehouse.yaml")
	if err := os.WriteFile(config, []byte(settings+more), 0o600); err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	script := `exec "$0" "$@"`
	if files > 0 {
		script = fmt.Sprintf("ulimit -n %d; %s", files, script)
	}
	cmd := exec.Command("sh", "-c", script, binary, "serve", "--config", config) // the binary that is to be tested
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GATEHOUSE_") })
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	t := &target{options: o, dir: dir, secure: secure, cmd: cmd, logs: &reader{listening: make(chan string, 1), ended: make(chan struct{})}, done: make(chan error, 1)}
	go t.logs.follow(log)
	go func() {
		<-t.logs.ended
		t.done <- cmd.Wait()
	}()
	select {
	case t.addr = <-t.logs.listening:
		return t, nil
	case err := <-t.done:
		return nil, fmt.Errorf("the server ended at its start: %w\n%s", err, t.logs.last())
	case <-time.After(startLimit):
		err = errors.New("the server did not start to listen")
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.kill()
	return nil, err
}

// security adds TLS to the settings where it is asked for.
func (o options) security(dir, settings string) (*tls.Config, string, error) {
	if !o.tls {
		return nil, settings, nil
	}
	secure, err := wiretest.Certificate(dir)
	return secure, settings + fmt.Sprintf("tls: {cert_file: %q, key_file: %q}\n",
		filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")), err
}

// alive fails when the process has ended by itself.
func (t *target) alive() error {
	select {
	case err := <-t.done:
		t.done <- err
		return fmt.Errorf("the server ended: %w\n%s", err, t.logs.last())
	default:
		return nil
	}
}

// stop ends the process as operators do.
func (t *target) stop() error {
	if err := t.alive(); err != nil {
		return err
	}
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-t.done:
		t.done <- err
		return err
	case <-time.After(stopLimit):
		t.kill()
		return errors.New("the server did not end after SIGTERM")
	}
}

func (t *target) kill() {
	t.logs.resume()
	_ = t.cmd.Process.Kill()
	err := <-t.done
	t.done <- err
}

// token signs in a user.
func (t *target) token(user string) string {
	now := time.Now()
	claims := jwt.MapClaims{"sub": user, "name": user, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	signed, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret)) // fails for no such key
	return signed
}

// memory is the resident memory of the process in bytes.
func (t *target) memory() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// files is how many files the process has open.
func (t *target) files() int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", t.cmd.Process.Pid))
	return len(entries)
}

// buffers is what the kernel holds for all TCP connections of the machine, in
// bytes.
func buffers() int64 {
	stat, _ := os.ReadFile("/proc/net/sockstat")
	_, rest, _ := strings.Cut(string(stat), "TCP: ")
	fields := strings.Fields(rest)
	if i := slices.Index(fields, "mem"); i >= 0 && i+1 < len(fields) {
		pages, _ := strconv.ParseInt(fields[i+1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// reader reads the server's log, until it is told to stop reading.
type reader struct {
	listening chan string
	ended     chan struct{}

	hold sync.Mutex // locked while nothing is to be read
	free sync.Once

	mu    sync.Mutex // guards what follows
	lines []string   // the last ones
	bytes int64
}

// pause stops reading: the pipe fills up, as when a log shipper hangs. It is
// called once.
func (r *reader) pause() { r.hold.Lock() }

// resume goes on reading after a pause. Only its first call counts.
func (r *reader) resume() {
	r.free.Do(func() {
		r.hold.TryLock()
		r.hold.Unlock()
	})
}

func (r *reader) follow(log io.Reader) {
	defer close(r.ended)
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.hold.Lock()
		r.hold.Unlock() //nolint:staticcheck // only waits for the end of a pause
		r.keep(lines.Text())
		var l struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "listening" {
			r.listening <- l.Addr
		}
	}
}

// keep remembers the last lines.
func (r *reader) keep(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += int64(len(line))
	if len(r.lines) == 30 {
		r.lines = r.lines[1:]
	}
	r.lines = append(r.lines, line)
}

func (r *reader) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}
