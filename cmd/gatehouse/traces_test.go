package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traced "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gatehouse/internal/wiretest"
)

// collected holds the spans that a collector of the test's own has been sent.
type collected struct {
	mu       sync.Mutex // guards what follows
	spans    []*traced.Span
	services []*common.KeyValue
	bytes    []byte
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = append(c.bytes, text...)
	for _, resource := range request.GetResourceSpans() {
		c.services = append(c.services, resource.GetResource().GetAttributes()...)
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// tree draws the spans below a span: names, codes of failures, and attributes by their keys.
func (c *collected) tree(parent []byte, indent string) string {
	var lines []string
	for _, s := range c.spans {
		if !bytes.Equal(s.GetParentSpanId(), parent) {
			continue
		}
		line := indent + s.GetName()
		for _, a := range s.GetAttributes() {
			if a.GetKey() == "gatehouse.event" {
				line += " " + a.GetValue().GetStringValue()
			}
		}
		if s.GetStatus().GetCode() == traced.Status_STATUS_CODE_ERROR {
			line += " failed: " + s.GetStatus().GetMessage()
		}
		lines = append(lines, line+"\n"+c.tree(s.GetSpanId(), indent+"  "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (c *collected) keys() []string {
	keys := map[string]bool{}
	for _, s := range c.spans {
		for _, a := range s.GetAttributes() {
			keys[a.GetKey()] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// asked answers as a back end and as an introspection server, and keeps the traceparent of each request.
type asked struct {
	mu      sync.Mutex // guards parents
	parents []string   // with what asked for it
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event struct{ Type, Event string }
	_ = json.NewDecoder(r.Body).Decode(&event)
	a.mu.Lock()
	a.parents = append(a.parents, strings.TrimSpace(r.URL.Path+" "+event.Type+" "+event.Event)+" "+r.Header.Get("traceparent"))
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/who":
		_, _ = io.WriteString(w, `{"subject": "private-name"}`)
	case event.Event == "order":
		_, _ = io.WriteString(w, `{"ack": ["secret-answer"], "emit": [{"to": "desk", "event": "ordered", "args": ["secret-payload"]}]}`)
	case event.Event == "broken":
		w.WriteHeader(http.StatusInternalServerError)
	}
}

const (
	clientTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientParent = "00-" + clientTrace + "-00f067aa0ba902b7-01"
)

func tracedApp(app, to string, more string) string {
	return fmt.Sprintf(`
callback: {url: "%[1]s/who", secret: %[2]s}
backends: {orders: {url: "%[1]s/app", secret: whsec_YW4gZXhhbXBsZSB0aGF0IGlzIG5vIHNlY3JldCBhdCBhbGw=, on: [connect], events: ["*"]}}
namespaces: {/app: {backend: orders, rooms: [{match: desk, join: "true"}]}}
telemetry: {traces: {enabled: true, endpoint: "%[3]s"}}
%[4]s`, app, testSecret, to, more)
}

// One client brings a trace, polls and upgrades; another one brings none and comes with a ticket that Redis keeps.
// Then the collector has two kinds of trees, and no secret.
func TestTracesShowTheWayOfARequest(t *testing.T) {
	var got collected
	to := httptest.NewServer(&got)
	defer to.Close()
	app := &asked{}
	back := httptest.NewServer(app)
	defer back.Close()
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=shop")
	redis := startRedis(t)
	s := serve(t, nil, "--config", configured(t, tracedApp(back.URL, to.URL, redis)))
	header := http.Header{"Traceparent": {clientParent}}

	p, err := wiretest.Dial(t.Context(), s.addr, "polling", wiretest.Options{Header: header})
	must(t, err)
	ask(t, p, `40/app,{"token":"secret-token"}`, `40/app,`)
	c, err := p.(*wiretest.Polling).Upgrade(t.Context())
	must(t, err)
	ask(t, c, `42/app,1["order","secret-argument"]`, `43/app,1["secret-answer"]`)
	ask(t, c, `42/app,2["broken"]`, `43/app,2[{"ok":false`)
	c.Drop()

	auth := `{"token":"secret-token"}`
	if redis != "" {
		var minted struct{ Ticket string }
		must(t, json.Unmarshal([]byte(post(t, "http://"+s.addr+"/auth/tickets", "application/json", auth)), &minted))
		auth = `{"ticket":"` + minted.Ticket + `"}`
	}
	c2, err := wiretest.Dial(t.Context(), s.addr, "websocket", wiretest.Options{})
	must(t, err)
	ask(t, c2, `40/app,`+auth, `40/app,`)
	ask(t, c2, `42/app,1["order"]`, `43/app,1["secret-answer"]`)
	c2.Drop()
	if r := s.stop(); r.code != 0 || strings.Contains(r.stderr, "collector") {
		t.Fatalf("%+v", r)
	}

	parent, _ := hex.DecodeString("00f067aa0ba902b7")
	if tree := got.tree(parent, ""); tree != `handshake
  admission
    back end
      POST
    verify callback
      POST
  event broken failed: unavailable
    back end failed: unavailable
      POST failed: wrong_status
  event order
    back end
      POST
    broadcast ordered
  upgrade
` {
		t.Errorf("the client's own trace:\n%s", tree)
	}
	redeem := "    verify callback\n      POST\n"
	if redis != "" {
		redeem = "    verify callback\n    verify ticket\n      redis GETDEL\n" +
			"ticket\n  redis SET\n  verify callback\n    POST\n"
	}
	if tree := got.tree(nil, ""); tree != `event order
  back end
    POST
  broadcast ordered
handshake
  admission
    back end
      POST
`+redeem {
		t.Errorf("what began here:\n%s", tree)
	}
	if event, opened := got.root("event"), got.root("handshake"); len(event.GetLinks()) != 1 || !bytes.Equal(event.GetLinks()[0].GetSpanId(), opened.GetSpanId()) {
		t.Errorf("an event of its own refers to %v, want the handshake", event.GetLinks())
	}
	app.gotTheClientsTrace(t, "/who", "/app connect", "/app event order")
	want := []string{"gatehouse.connection", "gatehouse.event", "gatehouse.namespace", "gatehouse.not_mine", "gatehouse.rooms", "gatehouse.socket", "gatehouse.transport", "http.response.status_code"}
	if redis != "" {
		want = append([]string{"db.operation.name", "db.system.name"}, want...)
	}
	if !slices.Equal(got.keys(), want) {
		t.Errorf("attributes %v", got.keys())
	}
	for _, service := range []string{`"gatehouse"`, `"shop"`} {
		if !strings.Contains(fmt.Sprint(got.services), service) {
			t.Errorf("the service is %v, want %s in it", got.services, service)
		}
	}
	for _, secret := range []string{"secret-", "private-name", "Bearer", testSecret} {
		if bytes.Contains(got.bytes, []byte(secret)) {
			t.Errorf("the collector was sent %q", secret)
		}
	}
}

// root returns a span that has no parent.
func (c *collected) root(name string) *traced.Span {
	for _, s := range c.spans {
		if s.GetName() == name && len(s.GetParentSpanId()) == 0 {
			return s
		}
	}
	return nil
}

// gotTheClientsTrace looks for requests with the trace that the client brought.
func (a *asked) gotTheClientsTrace(t *testing.T, requests ...string) {
	t.Helper()
	for _, request := range requests {
		if !slices.ContainsFunc(a.parents, func(p string) bool { return strings.HasPrefix(p, request+" 00-"+clientTrace) }) {
			t.Errorf("no %s with the client's trace in %v", request, a.parents)
		}
	}
}

func TestACollectorThatIsAwayIsSaidOnceAndStopsNothing(t *testing.T) {
	back := httptest.NewServer(&asked{})
	defer back.Close()
	s := serve(t, nil, "--config", configured(t, tracedApp(back.URL, "http://127.0.0.1:1", "")))
	c, err := wiretest.Dial(t.Context(), s.addr, "websocket", wiretest.Options{})
	must(t, err)
	ask(t, c, `40/app,{"token":"x"}`, `40/app,`)
	c.Drop()
	if r := s.stop(); r.code != 0 || strings.Count(r.stderr, "the collector takes no traces") != 1 {
		t.Errorf("%+v", r)
	}
}

func TestTheConfigurationOfTracesIsChecked(t *testing.T) {
	for text, says := range map[string]string{
		"endpoint: collector:4318": "telemetry.traces.endpoint",
		"ratio: 1.5":               "telemetry.traces.ratio: 1.5 is out of range",
		"ratio: much":              "telemetry.traces.ratio: \"much\" is not a number such as 0.1",
	} {
		refused(t, gatehouse(t, nil, "config", "check", "--config", configured(t, "telemetry: {traces: {"+text+"}}\njwt: {hmac_secret: "+testSecret+"}")), says)
	}
	r := gatehouse(t, []string{"GATEHOUSE_TELEMETRY_TRACES_RATIO=0.25"}, "config", "print")
	if !strings.Contains(r.stdout, "ratio: 0.25") {
		t.Errorf("%+v", r)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a packet and reads on until a packet begins with the prefix.
func ask(t *testing.T, c wiretest.Client, packet, answer string) {
	t.Helper()
	must(t, c.Send(packet))
	for {
		next, err := c.Next()
		must(t, err)
		if strings.HasPrefix(next.Text, answer) {
			return
		}
		if strings.HasPrefix(next.Text, "44") {
			t.Fatalf("%s is answered %s", packet, next.Text)
		}
	}
}

// startRedis runs a Redis of the test's own and returns the configuration for it; empty where none is installed.
func startRedis(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Log("redis-server is not installed: without Redis")
		return ""
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(addr)
	redis := exec.CommandContext(t.Context(), binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	out, err := redis.StdoutPipe()
	must(t, err)
	must(t, redis.Start())
	t.Cleanup(func() {
		_ = redis.Process.Kill()
		_ = redis.Wait()
	})
	text := make([]byte, 0, 4096)
	for !bytes.Contains(text, []byte("Ready to accept connections")) {
		n, err := out.Read(text[len(text):cap(text)])
		must(t, err)
		text = text[:len(text)+n]
	}
	return `redis: {url: "redis://` + addr + `"}`
}
