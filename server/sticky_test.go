package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/server"
)

func TestNewcomers9_AnUnknownSessionIsCountedAndItsCauseNamed(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}})
	other := serve(t, server.Config{})
	c := dial(t, other.addr, "polling")
	for range 20 {
		if status, body := request(t, http.MethodGet, r.url("/socket.io/?EIO=4&transport=polling&sid="+c.session()), "", ""); status != http.StatusBadRequest || !strings.Contains(body, "Session ID unknown") {
			t.Fatalf("%d %s", status, body)
		}
	}
	_, metrics := ask(t, r.url("/metrics"), operator, "")
	says(t, metrics, `gatehouse_handshakes_refused_total{code="unknown_session"} 20`+"\n")
	const line = "the requests of one client reach different nodes"
	if n := strings.Count(r.log.String(), line); n == 0 || n >= 20 {
		t.Errorf("%d lines of 20 say what may be wrong", n)
	}
	if strings.Contains(r.log.String(), c.session()) {
		t.Error("the session id is in the log")
	}
}

func TestRequestsThatBreakEngineIOAreCounted(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}})
	for query, code := range map[string]string{
		"EIO=4&transport=flash": "unknown_transport", "EIO=2&transport=polling": "unsupported_version", "EIO=4&transport=websocket": "bad_request",
	} {
		request(t, http.MethodGet, r.url("/socket.io/?"+query), "", "")
		_, metrics := ask(t, r.url("/metrics"), operator, "")
		says(t, metrics, `gatehouse_handshakes_refused_total{code="`+code+`"} 1`+"\n")
	}
}

func TestNewcomers9_NodesThatShareRedisAndNoRoomsSaySo(t *testing.T) {
	redis, node := nodes(t)
	if redis == "" {
		t.Skip("no TEST_REDIS_ADDR")
	}
	const warning = "rooms are not shared"
	one := serve(t, node(redis))
	one.waitFor("revocations are shared")
	other := serve(t, node(redis))
	other.waitFor(warning)
	if strings.Contains(one.log.String(), warning) {
		t.Error("a node that is alone warns")
	}
}

// waitFor waits until the log says something.
func (r *running) waitFor(words string) {
	r.t.Helper()
	for limit := time.Now().Add(time.Minute); !strings.Contains(r.log.String(), words); {
		if time.Now().After(limit) {
			r.t.Fatalf("the log does not say %q", words)
		}
		ask(r.t, r.url("/healthz"), nil, "")
	}
}
