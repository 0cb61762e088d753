package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/wiretest"
)

// serving is the program while it serves.
type serving struct {
	addr string
	stop func() result
	// awaitLog reads the log up to a line that says something.
	awaitLog func(t *testing.T, says string)
}

// serve runs the program until it listens. stop ends it as a signal does.
func serve(t *testing.T, environ []string, args ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	environ = append([]string{"GATEHOUSE_ENGINE_CLOSE_TIMEOUT=50ms"}, environ...) // for clients that tests leave behind
	in, out := io.Pipe()
	var stdout bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), environ, &stdout, out)
		_ = out.Close()
	}()
	lines := bufio.NewReader(in)
	var log strings.Builder
	addr := listening(t, lines, &log)
	stop := sync.OnceValue(func() result {
		cancel()
		rest, _ := io.ReadAll(lines)
		log.Write(rest)
		return result{<-code, stdout.String(), log.String()}
	})
	t.Cleanup(func() { stop() })
	return serving{addr, stop, func(t *testing.T, says string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			log.WriteString(line)
			if err != nil {
				t.Fatalf("the log ended without %q: %s", says, log.String())
			}
			if strings.Contains(line, says) {
				return
			}
		}
	}}
}

// listening reads the log up to the line that tells the port.
func listening(t *testing.T, lines *bufio.Reader, log *strings.Builder) string {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		if err != nil {
			t.Fatalf("the server did not start: %s", log)
		}
		var entry struct{ Msg, Addr string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.Addr
		}
	}
}

// post sends a body and returns the answer's.
func post(t *testing.T, url, contentType, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return do(t, req)
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) string {
	t.Helper()
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// enter connects to a namespace by polling and returns the reply to CONNECT.
func enter(t *testing.T, addr, namespace, token string) string {
	t.Helper()
	c, err := wiretest.Dial(t.Context(), addr, "polling", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wiretest.Enter(c, namespace, `{"token":"`+token+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Leave(); err != nil {
		t.Error(err)
	}
	return reply
}

func TestATokenOfTheSameConfigurationIsAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		dev     []string
	}{
		"the dev key":              {nil, []string{"--dev"}},
		"a configured key":         {[]string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}, nil},
		"a configured key and dev": {[]string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}, []string{"--dev"}},
		"issuer and audience": {[]string{
			"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret, "GATEHOUSE_JWT_ISSUER=https://id.example", "GATEHOUSE_JWT_AUDIENCE=chat,shop",
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append(stateHome(t), c.environ...)
			s := serve(t, environ, c.dev...)
			minted := gatehouse(t, environ, append([]string{"token", "--sub", "ada"}, c.dev...)...)
			token := strings.TrimSuffix(minted.stdout, "\n")
			if minted.code != 0 || minted.stderr != "" || strings.Count(token, ".") != 2 || strings.ContainsAny(token, " \n") {
				t.Fatalf("token printed %+v", minted)
			}
			if reply := enter(t, s.addr, "/chat", token); !strings.HasPrefix(reply, `40/chat,{"sid":`) {
				t.Errorf("the server says %s", reply)
			}
			r := s.stop()
			if r.code != 0 || r.stdout != "" {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.stderr, token) || strings.Contains(r.stderr, testSecret) {
				t.Errorf("a secret is in the log:\n%s", r.stderr)
			}
		})
	}
}

func TestDevModeSaysSoLoudlyAndOpensWhatItSays(t *testing.T) {
	s := serve(t, stateHome(t), "--dev")
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(post(t, "http://"+s.addr+"/demo/login", "application/json", `{"name":"Ada"}`)), &login); err != nil {
		t.Fatal(err)
	}
	if reply := enter(t, s.addr, "/echo", login.Token); !strings.HasPrefix(reply, `40/echo,{"sid":`) {
		t.Errorf("/echo says %s", reply)
	}
	first, _, _ := strings.Cut(s.stop().stderr, "\n")
	if !strings.Contains(first, `"level":"warn"`) || !strings.Contains(first, "DEVELOPMENT MODE") {
		t.Errorf("the first line of the log is %s", first)
	}
}

func TestWithoutDevModeThereIsNoEcho(t *testing.T) {
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	s := serve(t, environ)
	token := strings.TrimSpace(gatehouse(t, environ, "token", "--sub", "ada").stdout)
	if reply := enter(t, s.addr, "/echo", token); reply != `44/echo,{"message":"Invalid namespace"}` {
		t.Errorf("/echo says %s", reply)
	}
}

func TestDevModeWithoutAHomeKeepsItsKeyInMemoryAndSaysSo(t *testing.T) {
	s := serve(t, nil, "--dev")
	if r := s.stop(); r.code != 0 || !strings.Contains(r.stderr, "in memory only") {
		t.Errorf("%+v", r)
	}
}

func TestAPortInUseIsOneLine(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret, "GATEHOUSE_LOG_LEVEL=error"}
	refused(t, gatehouse(t, environ, "serve", "--addr", ln.Addr().String()), ln.Addr().String(), "address already in use", "--addr")
}

func TestWithoutAVerifierTheServerDoesNotStart(t *testing.T) {
	refused(t, gatehouse(t, stateHome(t), "serve"), "nobody can sign in", "jwt.hmac_secret", "--dev")
}

func TestHealth(t *testing.T) {
	s := serve(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret})
	_, port, _ := net.SplitHostPort(s.addr)
	for _, addr := range []string{s.addr, ":" + port, "0.0.0.0:" + port} {
		if r := gatehouse(t, nil, "health", "--addr", addr); r.code != 0 || r.stdout != "ready\n" {
			t.Errorf("--addr %s: %+v", addr, r)
		}
		if r := gatehouse(t, []string{"GATEHOUSE_ADDR=" + addr}, "health"); r.code != 0 {
			t.Errorf("GATEHOUSE_ADDR=%s: %+v", addr, r)
		}
	}
	s.stop()
	refused(t, gatehouse(t, nil, "health", "--addr", s.addr), "nothing listens")
	refused(t, gatehouse(t, nil, "health", "--addr", "nonsense"), "HOST:PORT")
}

func TestHealthOfAnotherKindOfServerSaysWhatToDo(t *testing.T) {
	hidden := httptest.NewUnstartedServer(http.NotFoundHandler())
	hidden.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about a client that does not speak TLS
	hidden.StartTLS()
	defer hidden.Close()
	refused(t, gatehouse(t, nil, "health", "--addr", hidden.Listener.Addr().String()), "TLS", "--config")
	draining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"status":"draining"}`, http.StatusServiceUnavailable)
	}))
	defer draining.Close()
	r := gatehouse(t, nil, "health", "--addr", draining.Listener.Addr().String())
	if refused(t, r); r.stderr != "gatehouse: not ready: 503 Service Unavailable {\"status\":\"draining\"}\n" {
		t.Errorf("%q", r.stderr)
	}
}

func TestThePagesAreServedOrSayHowToBuildThem(t *testing.T) {
	s := serve(t, stateHome(t), "--dev")
	if page := get(t, "http://"+s.addr+"/"); !strings.Contains(page, "<html") {
		t.Errorf("/ is %.200q", page)
	}
}

func TestKeysFromFiles(t *testing.T) {
	path := configured(t, testSecret+"\n")
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET_FILE=" + path}
	token := strings.TrimSpace(gatehouse(t, environ, "token", "--sub", "ada").stdout)
	if reply := enter(t, serve(t, environ).addr, "/chat", token); !strings.HasPrefix(reply, "40/chat,") {
		t.Error(reply)
	}
}
