package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// redisServer is a Redis of the test's own.
type redisServer struct {
	t    testing.TB
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd

	own rueidis.Client // of the test, see load

	user, password string // user of the clients; empty means the default user
}

// startRedis starts a Redis on a free port. Without the program the test is skipped, unless TEST_REDIS_ADDR says that there
// should be one.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("TEST_REDIS_ADDR") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	r := &redisServer{t: t, dir: t.TempDir(), args: args}
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr = l.Addr().String()
		_ = l.Close()
		if r.start() {
			t.Cleanup(r.kill)
			return r
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

// start starts the server, with the data that it had; it reports whether it answers.
func (r *redisServer) start() bool {
	_, port, _ := net.SplitHostPort(r.addr)
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", r.dir, "--save", "", "--appendonly", "no"}, r.args...)
	r.cmd = exec.Command("redis-server", args...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for range 400 {
		if conn, err := net.Dial("tcp", r.addr); err == nil {
			_, _ = fmt.Fprint(conn, "PING\r\n")
			answer := make([]byte, 5)
			_, err = conn.Read(answer)
			_ = conn.Close()
			if err == nil && string(answer) == "+PONG" {
				return true
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	r.kill()
	return false
}

// kill ends the server without a word.
func (r *redisServer) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// client connects to the server.
func (r *redisServer) client() rueidis.Client {
	r.t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{r.addr}, Username: r.user, Password: r.password, DisableCache: true, ConnWriteTimeout: 2 * time.Second,
		Dialer: net.Dialer{Timeout: time.Second},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

// do runs a command and fails the test when it fails.
func (r *redisServer) do(c rueidis.Client, args ...string) rueidis.RedisResult {
	r.t.Helper()
	result := c.Do(r.t.Context(), c.B().Arbitrary(args...).Build())
	if err := result.Error(); err != nil && !rueidis.IsRedisNil(err) {
		r.t.Fatalf("%v: %v", args, err)
	}
	return result
}

// signal sends the server a signal, such as SIGSTOP.
func (r *redisServer) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}
