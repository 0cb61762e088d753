package server_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/server"
)

// nodes returns the configuration of servers that share the Redis which
// TEST_REDIS_ADDR names (make test starts it), or none.
func nodes(t *testing.T) (redis string, node func(addr string) server.Config) {
	t.Helper()
	prefix := fmt.Sprintf("gatehouse:test:%d:", time.Now().UnixNano())
	return os.Getenv("TEST_REDIS_ADDR"), func(addr string) server.Config {
		return server.Config{Admin: server.Admin{Key: adminKey}, Redis: server.Redis{URL: handshake.Secret("redis://" + addr), Prefix: prefix}}
	}
}

// nobodyAt is an address at which nothing listens.
func nobodyAt(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	return ln.Addr().String()
}

func (r *running) revoke(body string, ended float64, spread any) {
	r.t.Helper()
	status, _, answer := r.call(http.MethodPost, "/api/v1/revocations", body, operator)
	if status != http.StatusOK || answer["ended"] != ended || answer["spread"] != spread {
		r.t.Fatalf("%d %v", status, answer)
	}
}

// revocations waits until the node has the given number of revocations.
func (r *running) revocations(want int) {
	r.t.Helper()
	for limit := time.Now().Add(time.Minute); ; {
		_, _, answer := r.call(http.MethodGet, "/api/v1/revocations", "", operator)
		list, _ := answer["revocations"].([]any)
		if len(list) == want {
			return
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%d revocations wanted: %v", want, answer)
		}
	}
}

// sees checks that a client is told of its revocation.
func sees(t *testing.T, c client, reason string) {
	t.Helper()
	if got := answerTo(c, `42/who,["auth:revoked"`); !strings.Contains(got, reason) {
		t.Errorf("the client saw %s", got)
	}
	if got := answerTo(c, "41/who"); !strings.HasPrefix(got, "41/who") {
		t.Errorf("then it saw %s", got)
	}
}

func TestReq20_RevocationReachesEveryNode(t *testing.T) {
	redis, node := nodes(t)
	if redis == "" {
		t.Log("TEST_REDIS_ADDR is not set: nodes share nothing")
		return
	}
	one, other := serve(t, node(redis), who("/who")...), serve(t, node(redis), who("/who")...)
	one.sharing(1)
	other.sharing(1)
	for _, c := range []struct{ kind, value string }{{"subject", "ada "}, {"tokenId", "token "}, {"session", "login "}} {
		claims := map[string]any{"jti": "token " + c.kind, "sid": "login " + c.kind}
		auth := `{"token":"` + mint(t, handshake.TokenSpec{Subject: "ada " + c.kind, Claims: claims}) + `"}`
		in, bob := come(t, other.addr, way{transport: "websocket"}), come(t, other.addr, way{transport: "polling"})
		if got := sendConnect(in, "/who", auth); got != "in" {
			t.Fatal(c.kind, got)
		}
		if got := sendConnect(bob, "/who", `{"token":"`+token(t, "bob")+`"}`); got != "in" {
			t.Fatal(got)
		}
		one.revoke(`{"`+c.kind+`":"`+c.value+c.kind+`","reason":"lost laptop"}`, 0, true)
		sees(t, in, "lost laptop")
		if got := sendConnect(come(t, other.addr, way{transport: "websocket"}), "/who", auth); got != "token_invalid" {
			t.Errorf("%s: coming back: %s", c.kind, got)
		}
		if got := whoami(t, bob, "/who"); got != `["bob by token"]` {
			t.Errorf("%s: somebody else: %s", c.kind, got)
		}
	}
	later := serve(t, node(redis), who("/who")...)
	later.revocations(3)
	if got := sendConnect(come(t, later.addr, way{transport: "websocket"}), "/who", `{"token":"`+mint(t, handshake.TokenSpec{Subject: "cleo", Claims: map[string]any{"sid": "login session"}})+`"}`); got != "token_invalid" {
		t.Error(got)
	}
	if err := later.stopped(); err != nil {
		t.Error(err)
	}
}

// sharing waits until the node logs for the nth time that it is connected.
func (r *running) sharing(n int) {
	r.t.Helper()
	for limit := time.Now().Add(time.Minute); strings.Count(r.log.String(), "revocations are shared") < n; {
		if time.Now().After(limit) {
			r.t.Fatal(r.log.String())
		}
		_, _, _ = r.call(http.MethodGet, "/readyz", "", nil)
	}
}

func TestReq20_WithoutRedisARevocationHoldsHere(t *testing.T) {
	_, node := nodes(t)
	r := serve(t, node(nobodyAt(t)), who("/who")...)
	auth := `{"token":"` + token(t, "ada") + `"}`
	in := come(t, r.addr, way{transport: "websocket"})
	if got := sendConnect(in, "/who", auth); got != "in" {
		t.Fatal(got)
	}
	r.revoke(`{"subject":"ada","reason":"left"}`, 1, false)
	sees(t, in, "left")
	if got := sendConnect(come(t, r.addr, way{transport: "websocket"}), "/who", auth); got != "token_invalid" {
		t.Error(got)
	}
	says(t, r.log.String(), "revocation holds on this node only")
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
}

func TestARevocationOfALoneServerSaysNothingOfOthers(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}})
	r.revoke(`{"subject":"ada"}`, 0, nil)
	if says(t, r.log.String(), `"msg":"revoked"`); strings.Contains(r.log.String(), "spread") {
		t.Error(r.log.String())
	}
}

func TestReq20_MarksCatchUpOnceRedisIsThere(t *testing.T) {
	redis, node := nodes(t)
	if redis == "" {
		t.Log("TEST_REDIS_ADDR is not set: nothing to come back")
		return
	}
	at := nobodyAt(t)
	away, there := serve(t, node(at), who("/who")...), serve(t, node(redis), who("/who")...)
	there.sharing(1)
	in := come(t, there.addr, way{transport: "websocket"})
	if got := sendConnect(in, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
		t.Fatal(got)
	}
	away.revoke(`{"subject":"ada","reason":"left"}`, 0, false)
	there.revoke(`{"subject":"bob"}`, 0, true)
	relay(t, at, redis)
	sees(t, in, "left")
	away.revocations(2)
	there.revocations(2)
	for _, r := range []*running{away, there} {
		if err := r.stopped(); err != nil {
			t.Error(err)
		}
	}
}
