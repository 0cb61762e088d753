package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/bench/certificate"
)

const (
	startLimit = 20 * time.Second
	tailLines  = 12
)

var errNotReady = errors.New("did not start to listen")

// ready matches the line by which a server says where it listens: "listening
// HOST:PORT", a JSON log line with msg "listening" and addr, or Centrifugo's.
var ready = regexp.MustCompile(`listening (\S+:\d+)$|"msg":"listening".*"addr":"([^"]+)"|serving .*websocket.* endpoints on ([0-9.]+:\d+)`)

// Server is a running peer.
type Server struct {
	Addr netip.AddrPort
	PID  int
	// Started is how long the process took until it listened.
	Started time.Duration

	cmd     *exec.Cmd
	readers sync.WaitGroup

	mu   sync.Mutex // guards tail
	tail []string   // the newest lines of output
}

// Start runs the peer with the HMAC secret, and with a certificate under TLS, and
// returns once it listens. The context ends the process.
func (p Peer) Start(ctx context.Context, secret string, cert *certificate.Certificate) (*Server, error) {
	path := p.command[0]
	if strings.Contains(path, "/") {
		path = filepath.Join(p.dir, path)
	}
	cmd := exec.CommandContext(ctx, path, p.command[1:]...)
	cmd.Dir = p.dir
	settings, err := p.settings(secret, cert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	cmd.Env = append(os.Environ(), settings...)
	s := &Server{cmd: cmd}
	addr := make(chan string, 1)
	if err := s.follow(addr); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	s.PID = cmd.Process.Pid
	if err := s.await(addr, p.port != ""); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", p.Name, err, s.Tail())
	}
	s.Started = time.Since(start)
	return s, nil
}

// settings returns the peer's environment variables.
func (p Peer) settings(secret string, cert *certificate.Certificate) ([]string, error) {
	env := append(slices.Clone(p.env), p.secret+"="+secret)
	if cert != nil {
		env = append(env, p.tls.cert+"="+cert.CertFile, p.tls.key+"="+cert.KeyFile)
		env = append(env, p.tls.env...)
	}
	if p.port != "" {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		env = append(env, fmt.Sprintf("%s=%d", p.port, ln.Addr().(*net.TCPAddr).Port))
	}
	return env, nil
}

// await waits for the address that the server listens on. It is early when the
// server may name it before it listens.
func (s *Server) await(addr <-chan string, early bool) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case text, ok := <-addr:
		if !ok {
			return errNotReady
		}
		var err error
		if s.Addr, err = netip.ParseAddrPort(text); err != nil || !early {
			return err
		}
		return s.answers(limit.C)
	case <-limit.C:
		return errNotReady
	}
}

// answers waits until the address takes a connection.
func (s *Server) answers(limit <-chan time.Time) error {
	for {
		conn, err := net.Dial("tcp", s.Addr.String())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-limit:
			return fmt.Errorf("%w: %w", errNotReady, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// follow reads what the server prints, sends the address that it names, and
// closes addr when the output has ended.
func (s *Server) follow(addr chan<- string) error {
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = s.cmd.Stdout
	s.readers.Go(func() {
		defer close(addr)
		s.read(out, addr)
	})
	return nil
}

func (s *Server) read(out io.Reader, addr chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if m := ready.FindStringSubmatch(line); m != nil {
			select {
			case addr <- m[1] + m[2] + m[3]:
			default: // said before
			}
		}
		s.note(line)
	}
	_, _ = io.Copy(io.Discard, out) // after a line too long to scan
}

func (s *Server) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, line)
	if len(s.tail) > tailLines {
		s.tail = s.tail[1:]
	}
}

// Tail returns the newest lines that the server printed.
func (s *Server) Tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.tail, "\n")
}

// Stop ends the process and waits until it is gone. Nothing that it still had to
// do is measured, so it is killed.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	s.readers.Wait()
	_ = s.cmd.Wait()
}
