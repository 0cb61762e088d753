package cluster

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// forwarders are two nodes of a fleet; one hands requests on, the other serves and records them.
func forwarders(t *testing.T) (from, to *member, listener *httptest.Server, seen chan *http.Request) {
	t.Helper()
	r := startRedis(t)
	seen = make(chan *http.Request, 100)
	var owned http.Handler
	listener = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { owned.ServeHTTP(w, r) }))
	t.Cleanup(listener.Close)
	cfg := NodeConfig{Secret: []byte("a secret of the fleet that is long enough"), Advertise: listener.Listener.Addr().String()}
	nodes := fleet(t, r, 2, cfg, nil)
	owned = nodes[1].node.Owned(func(w http.ResponseWriter, r *http.Request, _ *Peer) {
		body, _ := io.ReadAll(r.Body)
		seen <- r.Clone(t.Context())
		_, _ = fmt.Fprintf(w, "served %d bytes", len(body))
	}, nil)
	return nodes[0], nodes[1], listener, seen
}

func forwarded(t *testing.T, m *member, to string) (*http.Request, *httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.org/socket.io/?EIO=4&sid=x;y&t=1", strings.NewReader("body"))
	r.Header.Set("Cookie", "session=1")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.RemoteAddr = "198.51.100.7:4711"
	w := httptest.NewRecorder()
	return r, w, m.node.Forward(w, r, to)
}

func nowMS() int64 { return time.Now().UnixMilli() }

func TestReq29_ARequestIsHandedOnAsItCame(t *testing.T) {
	from, to, _, seen := forwarders(t)
	_, w, ok := forwarded(t, from, to.node.ID())
	if !ok || w.Code != http.StatusOK || w.Body.String() != "served 4 bytes" {
		t.Fatalf("%t %d %s", ok, w.Code, w.Body)
	}
	r := <-seen
	if r.RemoteAddr != "198.51.100.7:4711" || r.Host != "example.org" || r.URL.RawQuery != "EIO=4&sid=x;y&t=1" ||
		r.Header.Get("Cookie") != "session=1" || r.Header.Get("X-Forwarded-For") != "203.0.113.9" || r.Header.Get(forwardHeader) != "" || r.TLS != nil {
		t.Errorf("%+v", r)
	}
}

// For the client, a node that cannot be reached is gone; the operator finds the cause in the log, but no secret.
func TestReq29_WhyANodeIsNotReachedIsInTheLog(t *testing.T) {
	from, to, listener, _ := forwarders(t)
	var log strings.Builder
	from.node.forward.log = slog.New(slog.NewTextHandler(&log, nil))
	listener.Close()
	_, w, ok := forwarded(t, from, to.node.ID())
	if !ok || w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Session ID unknown") {
		t.Errorf("%t %d %s", ok, w.Code, w.Body)
	}
	if text := log.String(); !strings.Contains(text, "connection refused") || !strings.Contains(text, "cluster.advertise") || strings.Contains(text, "sid=") {
		t.Errorf("the log says %q", text)
	}
	if n := from.node.counts.Forwarded.Failed.Load(); n != 1 {
		t.Errorf("%d failures counted", n)
	}
}

func TestReq29_OnlyNodesThatAreThereAreAsked(t *testing.T) {
	t.Parallel()
	from, _, listener, seen := forwarders(t)
	for _, name := range []string{"", "0123456789abcdef", listener.Listener.Addr().String(), "../..", strings.Repeat("a", 1000), from.node.ID() + "0"} {
		if _, _, ok := forwarded(t, from, name); ok {
			t.Errorf("%q was asked", name)
		}
	}
	if len(seen) > 0 {
		t.Error("a request went out")
	}
}

// A request that was not signed for this node, was changed on its way, or comes a second time is refused.
func TestReq29_ForgedAndRepeatedRequestsAreRefused(t *testing.T) {
	from, to, listener, seen := forwarders(t)
	send := func(change func(r *http.Request, p *passage)) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, listener.URL+"/socket.io/?sid=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "session=1")
		p := passage{from: from.node.ID(), to: to.node.ID(), number: from.node.forward.count.Add(1), at: nowMS(), client: "198.51.100.7:1"}
		r.Header.Set(forwardHeader, p.text(from.node.signer, r))
		change(r, &p)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	again := func(r *http.Request, p *passage) { r.Header.Set(forwardHeader, p.text(from.node.signer, r)) }
	var kept string
	if code := send(func(r *http.Request, _ *passage) { kept = r.Header.Get(forwardHeader) }); code != http.StatusOK {
		t.Fatalf("an honest one is answered with %d", code)
	}
	<-seen
	// A node that has just started, or is leaving, hands on requests too.
	if code := send(func(r *http.Request, p *passage) { p.from = "0123456789abcdef"; again(r, p) }); code != http.StatusOK {
		t.Errorf("one of a node that is not heard of is answered with %d", code)
	}
	<-seen
	for name, change := range map[string]func(r *http.Request, p *passage){
		"no header":      func(r *http.Request, _ *passage) { r.Header.Del(forwardHeader) },
		"two headers":    func(r *http.Request, _ *passage) { r.Header.Add(forwardHeader, r.Header.Get(forwardHeader)) },
		"nonsense":       func(r *http.Request, _ *passage) { r.Header.Set(forwardHeader, "a b c d e f g") },
		"sent again":     func(r *http.Request, _ *passage) { r.Header.Set(forwardHeader, kept) },
		"another cookie": func(r *http.Request, _ *passage) { r.Header.Set("Cookie", "session=2") },
		"another address": func(r *http.Request, _ *passage) {
			r.Header.Set(forwardHeader, strings.Replace(r.Header.Get(forwardHeader), "198.51.100.7:1", "127.0.0.1:1", 1))
		},
		"another query":    func(r *http.Request, _ *passage) { r.URL.RawQuery = "sid=2" },
		"another method":   func(r *http.Request, _ *passage) { r.Method = http.MethodPost },
		"another host":     func(r *http.Request, _ *passage) { r.Host = "evil.example" },
		"for another node": func(r *http.Request, p *passage) { p.to = from.node.ID(); again(r, p) },
		"of long ago":      func(r *http.Request, p *passage) { p.at -= 3 * 60 * 1000; again(r, p) },
		"of the future":    func(r *http.Request, p *passage) { p.at += 3 * 60 * 1000; again(r, p) },
		"with number 0":    func(r *http.Request, p *passage) { p.number = 0; again(r, p) },
		"with another secret": func(r *http.Request, p *passage) {
			r.Header.Set(forwardHeader, p.text(signer{[]byte("another secret, just as long as it")}, r))
		},
	} {
		if code := send(change); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	if len(seen) > 0 {
		t.Errorf("%d were served", len(seen))
	}
}

func TestReq29_AWindowTakesEachNumberOnce(t *testing.T) {
	var w window
	for _, step := range []struct {
		number uint64
		first  bool
	}{
		{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {0, false},
		{windowSize + 2, true}, {2, false}, {3, false}, {4, true}, {4, false},
		{1 << 60, true}, {5, false}, {1<<60 - windowSize + 1, true}, {1<<60 - windowSize, false}, {1 << 60, false}, {1<<60 - 1, true},
	} {
		if got := w.first(step.number); got != step.first {
			t.Errorf("%d is first: %t, want %t", step.number, got, step.first)
		}
	}
}

// Whatever is in channels, streams and headers, it does not end the process.
func FuzzEntry(f *testing.F) {
	f.Add("x", "/", "3", `{"packet":{"type":2,"data":["a"]},"opts":{"rooms":[],"except":[],"flags":{"volatile":true}}}`, "1")
	f.Add("x", "/", "3", "gqZwYWNrZXSCpHR5cGUCpGRhdGGRoWGkb3B0c4Klcm9vbXOQpmV4Y2VwdJA=", "")
	f.Add("x", "", "", "", "7")
	f.Fuzz(func(t *testing.T, uid, nsp, kind, data, number string) {
		fields := map[string]string{"uid": uid, "nsp": nsp, "type": kind, "data": data}
		if number != "" {
			fields["n"] = number
		}
		e, err := parseEntry("1-1", fields, signer{}, "s")
		if err != nil || e.namespace == "" {
			return
		}
		a, err := decodeAction(e, NodeConfig{}.Packet)
		if err == nil && a.kind == typeBroadcast && a.operation.Packet.Event == "" {
			t.Error("an event without a name")
		}
	})
}

func FuzzMessage(f *testing.F) {
	n := &Node{uid: "me"}
	b := newBuilder(true, 2)
	b.json(fieldRequest, "1")
	b.json(fieldOptions, options{})
	f.Add("c", n.message("c", "/", typeFetch, b.bytes()))
	f.Fuzz(func(_ *testing.T, channel string, payload []byte) {
		m, err := n.open(heard{channel: channel, payload: string(payload)})
		if err != nil {
			return
		}
		d := m.body
		_, _ = d.selection()
		_, _ = d.packet("/", NodeConfig{}.Packet)
		_, _ = d.serverEvent("/", NodeConfig{}.Packet)
		_, _ = d.reply(NodeConfig{}.Packet)
	})
}

func FuzzClassicBroadcast(f *testing.F) {
	n := &Node{uid: "me", cfg: NodeConfig{Mode: ModePubSub}.withDefaults()}
	act := &action{namespace: "/", kind: typeBroadcast}
	act.operation.Packet = packet.Packet{Event: "e"}
	_, payload := n.classicOperation(act, 7)
	f.Add(payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, _, err := classicLetter(payload)
		if err != nil {
			return
		}
		act, err := actionOf(m, n.cfg.Packet)
		if err == nil && act.operation.Packet.Event == "" {
			t.Error("an event without a name")
		}
	})
}

func FuzzClassicRequest(f *testing.F) {
	f.Add(`{"uid":"abcdef","type":2,"opts":{"rooms":["a",1],"except":[]},"rooms":["b"]}`)
	f.Add(`{"type":4,"opts":{"rooms":[],"except":[]},"close":true}`)
	f.Add(`{"uid":"emitter","type":6,"data":["a",1]}`)
	f.Add(`{"uid":"abcdef","requestId":"123456","type":1}`)
	f.Fuzz(func(t *testing.T, payload string) {
		m, _, err := classicRequest(payload, "/")
		if err != nil {
			return
		}
		_, _ = askerOf(m)
		if act, err := actionOf(m, NodeConfig{}.Packet); err == nil && act.kind == typeBroadcast && act.operation.Packet.Event == "" {
			t.Error("an event without a name")
		}
		if p, err := m.body.serverEvent("/", NodeConfig{}.Packet); err == nil && p.Event == "" {
			t.Error("a server's event without a name")
		}
	})
}

// Answers of Node's servers to open questions may come in any order and number. They may settle the questions, but harm
// nothing else.
func FuzzClassicResponse(f *testing.F) {
	f.Add(`{"requestId":"q","sockets":[{"id":"a","rooms":[],"handshake":{},"data":{}}]}`)
	f.Add(`{"type":8,"requestId":"q","clientCount":2}`)
	f.Add(`{"type":6,"requestId":"q","data":[1]}`)
	f.Add("\x83\xa4type\x09\xa9requestId\xa1q\xa6packet\x01")
	f.Fuzz(func(_ *testing.T, payload string) {
		n := &Node{uid: "me", cfg: NodeConfig{Mode: ModePubSub}.withDefaults()}
		n.asking.init()
		a := &asked{to: silent{}, awaited: map[string]int{}, done: make(chan core.Settled, 1), sockets: make(chan []namespaces.Info, 4)}
		n.asking.questions.Ask("q", time.Now().Add(time.Hour), nil, 3)
		n.asking.open["q"] = a
		for range 4 {
			_ = n.heardResponse(heard{payload: payload})
		}
	})
}

// silent takes answers.
type silent struct{}

func (silent) Expect(int)             {}
func (silent) Reply(namespaces.Reply) {}
