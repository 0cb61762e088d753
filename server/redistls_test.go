package server_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/server"
)

// secureRedis starts a Redis that speaks TLS only, and wants a certificate of the authority; with lines of a configuration, it is
// a Sentinel.
func secureRedis(t *testing.T, a *wiretest.Authority, sentinel ...string) (addr string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("TEST_REDIS_ADDR") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	own := a.Issue("redis", wiretest.Node())
	addr = nobodyAt(t)
	_, port, _ := net.SplitHostPort(addr)
	lines := append([]string{
		"bind 127.0.0.1", "port 0", "tls-port " + port, "tls-cert-file " + a.Path("redis.pem"), "tls-key-file " + a.Path("redis.key"),
		"tls-ca-cert-file " + a.Path("ca.pem"), "tls-replication yes",
	}, sentinel...)
	args := []string{filepath.Join(t.TempDir(), "redis.conf"), "--save", ""}
	if sentinel != nil {
		args = append(args[:1], "--sentinel")
	}
	if err := os.WriteFile(args[0], []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", args...)
	cmd.Dir = filepath.Dir(args[0])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for limit := time.Now().Add(time.Minute); ; {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{own}})
		if err == nil {
			_ = conn.Close()
			return addr
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Tickets, revocations and the cluster use a Redis with TLS and private certificates; the log and config check say what
// is wrong with a certificate.
func TestEverythingSharedGoesOverARedisWithTLS(t *testing.T) {
	a, other := wiretest.NewAuthority(t, "ours"), wiretest.NewAuthority(t, "theirs")
	addr := secureRedis(t, a)
	a.Issue("node", wiretest.Node())
	good := server.RedisTLS{CAFile: a.Path("ca.pem"), CertFile: a.Path("node.pem"), KeyFile: a.Path("node.key")}
	config := func(url string, files server.RedisTLS) server.Config {
		return server.Config{
			Admin: server.Admin{Key: adminKey}, Redis: server.Redis{URL: handshake.Secret(url + addr), TLS: files},
			Cluster: server.Cluster{Mode: "streams", Secret: handshake.Secret(strings.Repeat("a secret of the nodes ", 2))},
		}
	}
	one, two := serve(t, config("rediss://", good), who("/who")...), serve(t, config("rediss://", good), who("/who")...)
	one.waitFor("another node is there")
	two.waitFor("another node is there")
	one.sharing(1)
	two.sharing(1)
	in := come(t, two.addr, way{transport: "websocket"})
	if got := sendConnect(in, "/who", fmt.Sprintf(`{"ticket":%q}`, one.ticket("ada", "", nil))); got != "in" {
		t.Fatal(got)
	}
	one.revoke(`{"subject":"ada","reason":"lost laptop"}`, 0, true)
	sees(t, in, "lost laptop")

	theirs := good
	theirs.CAFile = other.Path("ca.pem")
	for name, c := range map[string]struct {
		cfg  server.Config
		says string
	}{
		"another authority": {config("rediss://", theirs), "redis.tls.ca_file must hold the authority"},
		"no TLS":            {config("redis://", server.RedisTLS{}), "write rediss://"},
		"no certificate":    {config("rediss://", server.RedisTLS{CAFile: good.CAFile}), "if Redis wants a certificate"},
	} {
		if _, err := c.cfg.Misfits(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: config check says %v", name, err)
		}
		away := serve(t, c.cfg, who("/who")...)
		away.waitFor(c.says)
		if err := away.stopped(); err != nil {
			t.Error(err)
		}
	}
	for says, cfg := range map[string]server.Config{
		"redis.tls: redis.url has no TLS":   config("redis://", good),
		"redis.tls.ca_file: open":           config("rediss://", server.RedisTLS{CAFile: a.Path("none")}),
		"redis.tls.key_file: one without":   config("rediss://", server.RedisTLS{CertFile: good.CertFile}),
		"redis.tls: there is no redis.url":  {Redis: server.Redis{TLS: good}},
		"redis.tls.cert_file, redis.tls.ke": config("rediss://", server.RedisTLS{CertFile: good.CertFile, KeyFile: a.Path("redis.key")}),
	} {
		if err := cfg.WithDefaults().Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestSentinelsAreAskedWithTLS(t *testing.T) {
	a := wiretest.NewAuthority(t, "ours")
	host, port, _ := net.SplitHostPort(secureRedis(t, a))
	sentinel := secureRedis(t, a, "sentinel monitor mymaster "+host+" "+port+" 1")
	a.Issue("node", wiretest.Node())
	redis := server.Redis{
		URL: handshake.Secret("rediss://" + sentinel + "?master_set=mymaster"),
		TLS: server.RedisTLS{CAFile: a.Path("ca.pem"), CertFile: a.Path("node.pem"), KeyFile: a.Path("node.key")},
	}
	client, err := redis.Dial(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if role, err := client.Do(t.Context(), client.B().Role().Build()).ToArray(); err != nil || !strings.Contains(role[0].String(), "master") {
		t.Errorf("%v, %v", role, err)
	}
}
