package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/server"
)

const adminKey = "a-key-of-the-operators-of-these-tests"

var operator = page("", "Authorization", "Bearer "+adminKey)

func TestReq19_AnIdentityEndsUnlessItIsRefreshed(t *testing.T) {
	r := serve(t, server.Config{
		Session: server.Session{ExpiryNotice: 10 * time.Second, ExpiryGrace: 10 * time.Millisecond},
		Engine:  server.Engine{Limits: engine.Limits{CloseTimeout: 2 * time.Second}}, // by then the close packet is out, however busy the machine is
	}, who("/who", "/other")...)
	short := func() string {
		signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: secret}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := signer.Sign(handshake.TokenSpec{Subject: "ada", TTL: 4 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return `{"token":"` + text + `"}`
	}
	over(t, func(t *testing.T, transport string) {
		t.Parallel()
		alone := come(t, r.addr, way{transport: transport})
		shared := come(t, r.addr, way{transport: transport})
		refreshing := come(t, r.addr, way{transport: transport})
		for _, c := range []client{alone, shared, refreshing} {
			if got := sendConnect(c, "/who", short()); got != "in" {
				t.Fatal(got)
			}
		}
		if got := sendConnect(shared, "/other", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Fatal(got)
		}
		// The client polls all the time, as a close packet waits for a poll no longer
		// than the server's close timeout.
		ended := make(chan string, 1)
		go func() {
			_ = answerTo(alone, `42/who,["auth:expiring"`)
			ended <- answerTo(alone, "1", "closed")
		}()
		if got := answerTo(refreshing, `42/who,["auth:expiring"`); !strings.Contains(got, "expiresAt") {
			t.Errorf("before the end: %s", got)
		}
		for auth, want := range map[string]string{`{"token":"` + token(t, "bob") + `"}`: `"forbidden"`, `{"token":"` + token(t, "ada") + `"}`: `"ok":true`} {
			refreshing.send(`42/who,9["auth:refresh",` + auth + `]`)
			if got := answerTo(refreshing, "43/who,9"); !strings.Contains(got, want) {
				t.Errorf("a refresh: %s, want %s", got, want)
			}
		}
		if end := <-ended; end != "1" && !strings.Contains(end, "token expired") {
			t.Errorf("with one namespace the client saw %q", end)
		}
		_ = answerTo(shared, `42/who,["auth:expiring"`)
		if end := answerTo(shared, "41/who"); !strings.HasPrefix(end, "41/who") {
			t.Errorf("with another namespace the client saw %q", end)
		}
		if got := whoami(t, refreshing, "/who"); got != `["ada by token"]` {
			t.Errorf("after the refresh: %s", got)
		}
	})
}

func TestReq20_RevocationEndsWhoIsInAndKeepsThemOut(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}}, who("/who")...)
	signed := func(id string) string {
		return mint(t, handshake.TokenSpec{Subject: "ada " + id, Claims: map[string]any{"jti": "token " + id, "sid": "login " + id}})
	}
	over(t, func(t *testing.T, transport string) {
		for _, c := range []struct{ kind, value string }{{"subject", "ada "}, {"tokenId", "token "}, {"session", "login "}} {
			id := transport + c.kind
			auth := `{"token":"` + signed(id) + `"}`
			in, other := come(t, r.addr, way{transport: transport}), come(t, r.addr, way{transport: transport})
			if got := sendConnect(in, "/who", auth); got != "in" {
				t.Fatal(got)
			}
			if got := sendConnect(other, "/who", `{"token":"`+token(t, "bob")+`"}`); got != "in" {
				t.Fatal(got)
			}
			status, _, answer := r.call(http.MethodPost, "/api/v1/revocations", `{"`+c.kind+`":"`+c.value+id+`","reason":"lost laptop"}`, operator)
			if status != http.StatusOK || answer["ended"] != 1.0 || answer[c.kind] != c.value+id {
				t.Fatalf("%d %v", status, answer)
			}
			if got := answerTo(in, `42/who,["auth:revoked"`); !strings.Contains(got, "lost laptop") {
				t.Errorf("%s: the client saw %s", c.kind, got)
			}
			if got := answerTo(in, "41/who"); !strings.HasPrefix(got, "41/who") {
				t.Errorf("%s: then it saw %s", c.kind, got)
			}
			if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", auth); got != "token_invalid" {
				t.Errorf("%s: coming back: %s", c.kind, got)
			}
			if status, _, answer := r.call(http.MethodPost, "/auth/tickets", auth, nil); status != http.StatusUnauthorized {
				t.Errorf("%s: a ticket: %d %v", c.kind, status, answer)
			}
			if got := whoami(t, other, "/who"); got != `["bob by token"]` {
				t.Errorf("%s: somebody else: %s", c.kind, got)
			}
		}
	})
}

func TestReq20_ATicketOfWhoIsRevokedOpensNothing(t *testing.T) {
	r := serve(t, server.Config{Admin: server.Admin{Key: adminKey}}, who("/who")...)
	ticket := r.ticket("ada", "", nil)
	if status, _, answer := r.call(http.MethodPost, "/api/v1/revocations", `{"subject":"ada"}`, operator); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if got := sendConnect(come(t, r.addr, way{transport: "websocket"}), "/who", `{"ticket":"`+ticket+`"}`); got != "token_invalid" {
		t.Error(got)
	}
}
