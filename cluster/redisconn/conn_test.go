package redisconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zaptest/observer"
)

// TestMain passes over a goroutine of the Redis client that sleeps, for a second at
// most, before it finds its client closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// startRedis runs a Redis of the test's own, empty where none is installed.
func startRedis(t *testing.T) (addr string) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Log("redis-server is not installed: without Redis")
		return ""
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(addr)
	server := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return addr
}

// until waits for a state that comes.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(limit) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Field fault 9: a primary that has become a replica and kept its connections is
// left, which is logged; healthy means that writes are taken.
func TestField09_ARedisThatTakesNoWritesIsReconnected(t *testing.T) {
	addr := startRedis(t)
	if addr == "" {
		return
	}
	core, log := observer.New(zap.InfoLevel)
	c := New(Config{Option: rueidis.ClientOption{InitAddress: []string{addr}}, Prefix: "test:", Logger: slog.New(zapslog.NewHandler(core))})
	defer c.Close()
	until(t, "healthy", func() bool { return c.Health(t.Context()) == nil })
	first, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	demote := first.B().Arbitrary("REPLICAOF", "127.0.0.1", "1").Build()
	if err := first.Do(t.Context(), demote).Error(); err != nil {
		t.Fatal(err)
	}
	if err := first.Do(t.Context(), first.B().Ping().Build()).Error(); err != nil {
		t.Fatalf("a PING: %v", err)
	}
	set := first.B().Set().Key("test:x").Value("1").Build()
	if err := c.Note(first, first.Do(t.Context(), set).Error()); !takesNoWrites(err) {
		t.Fatalf("a write: %v", err)
	}
	if err := c.Health(t.Context()); err == nil {
		t.Error("a Redis that takes no writes is healthy")
	}
	if n := log.FilterMessageSnippet("takes no writes").Len(); n != 1 {
		t.Errorf("said %d times", n)
	}
	var second rueidis.Client
	until(t, "connected anew", func() bool {
		second, err = c.Client()
		return err == nil && second != first
	})
	if err := second.Do(t.Context(), second.B().Arbitrary("REPLICAOF", "NO", "ONE").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	until(t, "healthy again", func() bool { return c.Health(t.Context()) == nil })
	if log.FilterMessageSnippet("takes writes again").Len() != 1 {
		t.Error("the end of it is not said")
	}
}

// Attack W9: an aborted check of the health changes nothing for others, and no
// other caller waits for it.
func TestAttackW9_AbortedProbesDoNoHarm(t *testing.T) {
	addr := startRedis(t)
	if addr == "" {
		return
	}
	c := New(Config{Option: rueidis.ClientOption{InitAddress: []string{addr}}, Prefix: "test:", Logger: slog.New(slog.DiscardHandler)})
	defer c.Close()
	until(t, "healthy", func() bool { return c.Health(t.Context()) == nil })
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "time for another look", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return time.Since(c.asked) >= retry
	})
	pause := client.B().Arbitrary("CLIENT", "PAUSE", "500", "WRITE").Build()
	if err := client.Do(t.Context(), pause).Error(); err != nil {
		t.Fatal(err)
	}
	aborted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Health(aborted); !errors.Is(err, context.Canceled) {
		t.Errorf("an aborted look: %v", err)
	}
	if got, err := c.Client(); err != nil || got != client { // while the look is under way
		t.Errorf("the client: %v", err)
	}
	if err := c.Health(t.Context()); err != nil {
		t.Errorf("after an aborted look: %v", err)
	}
}

func TestWithoutRedisEverythingFailsAtOnceAndEnds(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	c := New(Config{Option: rueidis.ClientOption{InitAddress: []string{addr}}, Logger: slog.New(slog.DiscardHandler)})
	if _, err := c.Client(); err == nil || !strings.Contains(err.Error(), "connect to redis") {
		t.Errorf("the client: %v", err)
	}
	if err := c.Health(t.Context()); err == nil {
		t.Error("healthy")
	}
	c.Close()
	if _, err := c.Client(); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
