package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/internal/doctor"
)

// examine returns the doctor's findings at a URL, by check, and the exit code.
func examine(t *testing.T, address string, environ []string, args ...string) (map[string]doctor.Finding, int) {
	t.Helper()
	r := gatehouse(t, environ, append([]string{"doctor", address, "--json"}, args...)...)
	found := make(map[string]doctor.Finding)
	for line := range strings.Lines(r.stdout) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		found[f.Check] = f
	}
	if r.code != 0 && len(found) == 0 {
		t.Fatalf("%+v", r)
	}
	return found, r.code
}

// finds checks that a check fails, says a word, and names a cure.
func finds(t *testing.T, found map[string]doctor.Finding, check, word, cure string) {
	t.Helper()
	f := found[check]
	if f.Verdict != doctor.Fail || !strings.Contains(f.Said, word) || !strings.Contains(strings.Join(f.Do, "\n"), cure) {
		t.Errorf("%s: %+v, want a failure that says %q and names %q", check, f, word, cure)
	}
}

// node is a server for the doctor, with a short heartbeat.
func node(t *testing.T) serving {
	t.Helper()
	return serve(t, append(stateHome(t), "GATEHOUSE_JWT_HMAC_SECRET="+testSecret, "GATEHOUSE_ENGINE_PING_INTERVAL=1s", "GATEHOUSE_TRUSTED_PROXIES=127.0.0.1"))
}

// doctorsToken is a token of the node's users.
func doctorsToken(t *testing.T) string {
	t.Helper()
	r := gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}, "token", "--sub", "doctor")
	return strings.TrimSpace(r.stdout)
}

func TestTheDoctorFindsNothingWrongWithABinaryAlone(t *testing.T) {
	s := node(t)
	found, code := examine(t, "http://"+s.addr, []string{"GATEHOUSE_TOKEN=" + doctorsToken(t)}, "--namespace", "/chat")
	if code != 0 || len(found) != 13 {
		t.Errorf("exit code %d, %d findings", code, len(found))
	}
	for _, f := range found {
		if f.Verdict != doctor.OK && f.Check != "TLS" {
			t.Errorf("%+v", f)
		}
	}
	if r := gatehouse(t, nil, "doctor", "http://"+s.addr, "--quick"); r.code != 0 || !strings.Contains(r.stdout, "ok    upgrade: ") {
		t.Errorf("for people: %+v", r)
	}
}

func TestTheDoctorTellsWhatIsNoServer(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "moved.example" {
			http.Redirect(w, r, "https://elsewhere.example"+r.URL.Path, http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>It works!"))
	}))
	t.Cleanup(other.Close)
	found, code := examine(t, other.URL, nil)
	finds(t, found, "polling", "It works!", "location /socket.io/")
	if code != 1 || len(found) != 1 {
		t.Errorf("exit code %d, %d findings", code, len(found))
	}
	found, _ = examine(t, "http://"+freeAddr(t), nil)
	finds(t, found, "polling", "refused", "running")
	refused(t, gatehouse(t, nil, "doctor", "rt.example.com"), "https://")
}

func TestTheDoctorComparesTheClockOfTheIssuer(t *testing.T) {
	s := node(t)
	ahead, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "doctor", "iat": time.Now().Add(time.Hour).Unix(), "exp": time.Now().Add(2 * time.Hour).Unix(),
	}).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	found, _ := examine(t, "http://"+s.addr, nil, "--quick", "--token", ahead)
	finds(t, found, "clock", "future", "NTP")
	found, _ = examine(t, "http://"+s.addr, nil, "--quick", "--token", doctorsToken(t), "--namespace", "/nowhere")
	finds(t, found, "admission", "Invalid namespace", "log")
}

func TestTheDoctorAsksTheRedisOfTheConfiguration(t *testing.T) {
	s := node(t)
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret, "GATEHOUSE_REDIS_URL=redis://user:hidden@" + freeAddr(t)}
	r := gatehouse(t, environ, "doctor", "http://"+s.addr, "--quick", "--json")
	if r.code != 1 || !strings.Contains(r.stdout, `"check":"Redis","verdict":"fail"`) || strings.Contains(r.stdout+r.stderr, "hidden") {
		t.Errorf("%+v", r)
	}
	if addr := os.Getenv("TEST_REDIS_ADDR"); addr != "" {
		environ[1] = "GATEHOUSE_REDIS_URL=redis://" + addr
		if found, code := examine(t, "http://"+s.addr, environ, "--quick"); code != 0 || found["Redis"].Verdict != doctor.OK {
			t.Errorf("%+v", found["Redis"])
		}
	}
}

// The proxy is written for this test: no setting of nginx or HAProxy delays a response that is complete.
func TestTheDoctorFindsAProxyThatKeepsAnswersBack(t *testing.T) {
	to, err := url.Parse("http://" + node(t).addr)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward.ServeHTTP(w, r)
		if r.Method == http.MethodGet && r.URL.Query().Has("sid") && !r.URL.Query().Has("b64") && r.Header.Get("Upgrade") == "" {
			time.Sleep(3500 * time.Millisecond) // the bytes that it has read go out when its handler ends
		}
	}))
	t.Cleanup(proxy.Close)
	found, _ := examine(t, proxy.URL, nil, "--quick")
	finds(t, found, "buffering", "after it was ready", "proxy_buffering off")
}

// The proxy drops the bytes that come in one segment with the head of the 101. The test takes as long as
// the doctor waits for the first packet.
func TestTheDoctorFindsThatTheFirstPacketIsLost(t *testing.T) {
	to := node(t).addr
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { beheaded(client, to) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	found, _ := examine(t, "http://"+listener.Addr().String(), nil, "--quick")
	finds(t, found, "WebSocket", "first packet does not come", "engine.open_apart")
}

// beheaded joins a client to a server, without what follows a 101 at once.
func beheaded(client net.Conn, addr string) {
	defer func() { _ = client.Close() }()
	upstream, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	go func() { // ends with its connections
		_, _ = io.Copy(upstream, client)
		_ = upstream.Close()
	}()
	first := make([]byte, 64<<10)
	n, _ := upstream.Read(first)
	if head, _, ok := bytes.Cut(first[:n], []byte("\r\n\r\n")); ok && bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		n = len(head) + 4
	}
	_, _ = client.Write(first[:n])
	_, _ = io.Copy(client, upstream)
}

// proxied runs a program with a configuration until it listens.
func proxied(t *testing.T, program, config string, args func(file string) []string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir, addr := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "config")
	text := strings.NewReplacer("LISTEN", addr, "DIR", dir).Replace(config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args(file)...)
	var said strings.Builder
	cmd.Stderr, cmd.Stdout = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return "http://" + addr
		}
		if time.Now().After(limit) {
			t.Fatalf("%s does not listen: %s", program, &said)
		}
	}
}

func nginx(t *testing.T, nodes, site string) string {
	t.Helper()
	config := `daemon off; master_process off; pid DIR/pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  proxy_cache_path DIR/cache keys_zone=cache:1m;
  upstream gatehouse { ` + nodes + ` }
  server { listen LISTEN; location / { proxy_pass http://gatehouse; proxy_http_version 1.1; ` + site + ` } }
}
`
	return proxied(t, "nginx", config, func(file string) []string { return []string{"-c", file} })
}

// Each is a proxy with one line of the documented sample left out or added.
func TestTheDoctorFindsWhatIsWrongWithNginx(t *testing.T) {
	const (
		host    = "proxy_set_header Host $http_host;"
		upgrade = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
	)
	one, two := node(t).addr, node(t).addr
	alone := "server " + one + ";"
	for name, c := range map[string]struct{ nodes, site, check, word, cure string }{
		"no Upgrade headers": {alone, host, "WebSocket", "there is none", "proxy_set_header Upgrade"},
		"no stickiness":      {alone + " server " + two + ";", host + upgrade, "stickiness", "does not have it", "hash $remote_addr"},
		"no Host":            {alone, upgrade, "origin", "is refused", "proxy_set_header Host"},
		"a cache":            {alone, host + upgrade + "proxy_cache cache; proxy_cache_valid 1m; proxy_ignore_headers Cache-Control Vary;", "caching", "cache", "proxy_cache"},
		"small bodies":       {alone, host + upgrade + "client_max_body_size 10k;", "large messages", "413", "client_max_body_size"},
		"a short time limit": {alone, host + upgrade + "proxy_read_timeout 200ms;", "idle connections", "ended after", "proxy_read_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--token", doctorsToken(t), "--namespace", "/chat"}
			if c.check != "idle connections" {
				args = append(args, "--quick")
			}
			found, code := examine(t, nginx(t, c.nodes, c.site), nil, args...)
			finds(t, found, c.check, c.word, c.cure)
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestTheDoctorFindsWhatIsWrongWithHAProxy(t *testing.T) {
	one, two := node(t).addr, node(t).addr
	const config = `defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  TIMES
frontend all
  bind LISTEN
  default_backend gatehouse
backend gatehouse
  balance roundrobin
  NODES
`
	run := func(t *testing.T, times string, nodes ...string) map[string]doctor.Finding {
		t.Helper()
		for i := range nodes {
			nodes[i] = fmt.Sprintf("server node-%d %s", i, nodes[i])
		}
		text := strings.NewReplacer("TIMES", times, "NODES", strings.Join(nodes, "\n  ")).Replace(config)
		address := proxied(t, "haproxy", text, func(file string) []string { return []string{"-db", "-f", file} })
		found, _ := examine(t, address, nil, "--token", doctorsToken(t), "--namespace", "/chat")
		return found
	}
	t.Run("no stickiness", func(t *testing.T) {
		finds(t, run(t, "", one, two), "stickiness", "does not have it", "stick on src")
	})
	t.Run("a short time limit", func(t *testing.T) {
		finds(t, run(t, "timeout tunnel 200ms", one), "idle connections", "ended after", "timeout tunnel")
	})
}
