package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	pingInterval = 2 * time.Second
	pingTimeout  = 4 * time.Second
	startLimit   = 30 * time.Second
	stopLimit    = 30 * time.Second
)

// settings are the server's: impatient, with small outboxes, so that what takes
// minutes in production happens in seconds.
const settings = `
jwt:
  hmac_secret: "%s"
admin:
  addr: 127.0.0.1:0
engine:
  ping_interval: 2s
  ping_timeout: 4s
  close_timeout: 2s
  upgrade_timeout: 3s
  outbox_bytes: 262144
  max_payload: 100000
handshake:
  timeout: 4s
http:
  read_header_timeout: 4s
  idle_timeout: 10s
chat:
  history_bytes: 40000
drain:
  spread: 1s
  timeout: 15s
`

// server runs the binary, one process after the other at one address.
type server struct {
	binary, dir, secret string
	log                 io.Writer

	addr  string // fixed by the first process
	admin string // of the process that runs
	cmd   *exec.Cmd
	ended chan error // what Wait said

	mu      sync.Mutex // guards what follows
	births  []int64    // when each process began, in milliseconds since 1970
	reasons map[string]int
	alarms  []string // lines that must not be in a log
}

func newServer(o options, dir, secret string, log io.Writer) (*server, error) {
	// A copy, so that a build meanwhile does not change which server comes back.
	program, err := os.ReadFile(o.binary)
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "gatehouse")
	if err := os.WriteFile(binary, program, 0o700); err != nil {
		return nil, err
	}
	s := &server{binary: binary, dir: dir, secret: secret, log: log, addr: "127.0.0.1:0", reasons: make(map[string]int)}
	text := fmt.Sprintf(settings, secret)
	if o.tls {
		text += fmt.Sprintf("tls:\n  cert_file: %q\n  key_file: %q\n", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	}
	return s, os.WriteFile(s.config(), []byte(text), 0o600)
}

func (s *server) config() string { return filepath.Join(s.dir, "gatehouse.yaml") }

// start returns once the process listens.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	s.births = append(s.births, time.Now().UnixMilli())
	s.mu.Unlock()
	cmd := exec.Command(s.binary, "serve", "--config", s.config(), "--addr", s.addr)
	// Variables that the caller has set are not for this server.
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GATEHOUSE_") })
	cmd.Env = append(inherited, "XDG_STATE_HOME="+s.dir)
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	listening, ended := make(chan struct{}), make(chan error, 1)
	s.cmd, s.ended = cmd, ended
	go func() {
		s.follow(log, listening)
		ended <- cmd.Wait()
	}()
	select {
	case <-listening:
		return nil
	case err := <-ended:
		ended <- err
		return fmt.Errorf("the server ended at its start: %w", errors.Join(err, s.alarmed()))
	case <-time.After(startLimit):
		return errors.New("the server did not start to listen")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// line holds the parts of a log line that the soak reads.
type line struct {
	Level, Msg, Addr, AdminAddr, Reason string
}

func (s *server) follow(log io.Reader, listening chan<- struct{}) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = fmt.Fprintln(s.log, lines.Text())
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			s.alarm(lines.Text()) // a crash is not JSON
			continue
		}
		switch l.Msg {
		case "operators' listener":
			s.admin = l.AdminAddr
		case "listening":
			s.addr = l.Addr
			close(listening)
		case "connection closed":
			s.count(l.Reason)
		}
		if l.Level == "error" || strings.Contains(l.Msg, "panic") {
			s.alarm(lines.Text())
		}
	}
	_, _ = io.Copy(io.Discard, log)
}

func (s *server) count(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons[reason]++
}

// alarm keeps the first lines about faults.
func (s *server) alarm(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.alarms) < 40 {
		s.alarms = append(s.alarms, text)
	}
}

// stop ends the process as operators do and waits until it has drained.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			return fmt.Errorf("the server did not end in order: %w", err)
		}
		return nil
	case <-time.After(stopLimit):
		return errors.New("the server did not end")
	}
}

// kill makes sure that nothing is left.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		err := <-s.ended
		s.ended <- err
	}
}

// crashed tells when the process has ended by itself.
func (s *server) crashed() <-chan error { return s.ended }

// life returns the number, from 0, of the process that made an id.
func (s *server) life(id uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	const perMilli = 16 // bits; see package chat
	n := -1
	for _, birth := range s.births {
		if int64(id>>perMilli) >= birth { // a time of this century
			n++
		}
	}
	return n
}
