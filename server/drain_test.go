package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/engine"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// held is a namespace whose handler of "hold" waits until the test lets it go
// on.
func held() (ns *namespaces.Namespace, entered, release chan struct{}) {
	ns, entered, release = namespaces.New("/held"), make(chan struct{}), make(chan struct{})
	namespaces.On(ns, "hold", func(context.Context, *namespaces.Socket, int) (string, error) {
		close(entered)
		<-release
		return "done", nil
	})
	return ns, entered, release
}

func TestADrainRefusesNewClientsAndWaitsForHandlers(t *testing.T) {
	ns, entered, release := held()
	r := serve(t, server.Config{}, ns)
	c := dial(t, r.addr, "websocket")
	enter(c, "/held", token(t, "ada"))
	c.send(`42/held,["hold",1]`)
	<-entered
	r.end()
	if end := c.next(); !strings.Contains(end, "1012") || !strings.Contains(end, "server shutting down") {
		t.Errorf("the client saw %q, want close code 1012 and the reason", end)
	}
	if status, body := request(t, http.MethodGet, r.url("/readyz"), "", ""); status != 503 || !strings.Contains(body, "draining") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := request(t, http.MethodGet, r.url("/healthz"), "", ""); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	if status, body := request(t, http.MethodGet, r.url("/socket.io/?EIO=4&transport=polling"), "", ""); status != 503 {
		t.Errorf("a new client: %d %s", status, body)
	}
	select {
	case err := <-r.done:
		t.Fatalf("the server ended before its handler: %v", err)
	default:
	}
	close(release)
	if err := r.stopped(); err != nil {
		t.Errorf("a complete drain: %v", err)
	}
	says(t, r.log.String(), `"msg":"draining"`, `"connections":1`, `"msg":"drained"`, `"reason":"server shutting down"`)
}

func TestADrainEndsTransportsWithoutDisconnect(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := serve(t, server.Config{}, namespaces.New("/room"))
			var all []client
			for range 5 {
				c := dial(t, r.addr, transport)
				if reply := enter(c, "/room", token(t, "ada")); !strings.HasPrefix(reply, "40/room,") {
					t.Fatal(reply)
				}
				all = append(all, c)
			}
			ends := make(chan string, len(all))
			for _, c := range all {
				go func() { ends <- c.next() }()
			}
			if err := r.stopped(); err != nil {
				t.Error(err)
			}
			for range all {
				if end := <-ends; end != "1" && !strings.Contains(end, "1012") {
					t.Errorf("the client saw %q, want the end of its transport", end)
				}
			}
		})
	}
}

func TestADrainHasAHardDeadline(t *testing.T) {
	ns, entered, release := held()
	r := serve(t, server.Config{
		Drain:  server.Drain{Timeout: 300 * time.Millisecond, Spread: time.Millisecond},
		Engine: server.Engine{Limits: engine.Limits{CloseTimeout: 50 * time.Millisecond}},
	}, ns)
	c := dial(t, r.addr, "websocket")
	enter(c, "/held", token(t, "ada"))
	c.send(`42/held,["hold",1]`)
	<-entered
	if err := r.stopped(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a drain that a handler held up: %v", err)
	}
	close(release)
}

func TestTheLogHasOneLinePerConnectionAndNoSecret(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := serve(t, server.Config{Dev: true}, namespaces.New("/room"))
			tokens := []string{token(t, "ada"), "eyJhbGciOiJub25lIn0.e30.", "some-opaque-text"}
			var secrets []string
			for _, tok := range tokens {
				c := dial(t, r.addr, transport)
				secrets = append(secrets, tok, c.session())
				enter(c, "/room", tok)
				c.close()
			}
			if err := r.stopped(); err != nil {
				t.Error(err)
			}
			log := r.log.String()
			if n := strings.Count(log, `"msg":"connection closed"`); n != len(tokens) {
				t.Errorf("%d lines for %d connections:\n%s", n, len(tokens), log)
			}
			says(t, log, `"user":"ada"`, `"namespaces":["/room"]`, `"peer":"127.0.0.1"`, `"transport":"`+transport+`"`)
			for _, s := range append(secrets, secret) {
				if strings.Contains(log, s) {
					t.Errorf("the log has %q:\n%s", s, log)
				}
			}
		})
	}
}
