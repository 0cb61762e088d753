package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/wiretest"
)

// backEnd answers the callback: 500 to what begins with "bad", else it knows the
// user.
func backEnd(ctx context.Context) (settings string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Credential string }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		if strings.HasPrefix(asked.Credential, "bad") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"subject": asked.Credential})
	}))
	context.AfterFunc(ctx, server.Close)
	return fmt.Sprintf("callback: {url: %q, secret: %q, kinds: [token]}\n", server.URL, secret)
}

// failingCredentials: credentials that the back end fails at, from one address,
// beside people whom it knows and who sign in from the same one.
func failingCredentials(ctx context.Context, t *target) error {
	return t.beside(ctx, 50, func(ctx context.Context, i int) {
		var n int
		repeat(ctx, 20, func() error {
			n++
			t.guess(ctx, wiretest.Options{}, fmt.Sprintf(`{"token":"bad-%d-%d"}`, i, n))
			return nil
		})
	}, wiretest.Options{}, func(n int64) string { return fmt.Sprintf(`{"token":"good-%d"}`, n) })
}

// password is ann's password.
const password = "a password of ann's"

// passwords lets people sign in by them, through a proxy that tells addresses.
func passwords(context.Context) (settings string) {
	hash, _ := bcrypt.GenerateFromPassword([]byte(password), 10) // an error only for longer passwords
	return fmt.Sprintf("trusted_proxies: [127.0.0.1]\nauth: {ways: [token, basic]}\nbasic: {users: [{name: ann, hash: %q}]}\n", hash)
}

// from is a request with a password that comes from an address, as the proxy says.
func from(address, password string) wiretest.Options {
	return wiretest.Options{Header: http.Header{
		"X-Forwarded-For":   {address},
		"X-Forwarded-Proto": {"https"},
		"Authorization":     {"Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+password))},
	}}
}

// wrongPasswords: guesses from a hundred addresses, while somebody who knows the
// password signs in.
func wrongPasswords(ctx context.Context, t *target) error {
	return t.beside(ctx, 100, func(ctx context.Context, i int) {
		repeat(ctx, 5, func() error {
			t.guess(ctx, from(fmt.Sprintf("203.0.113.%d", i+1), "guessed"), "")
			return nil
		})
	}, from("198.51.100.1", password), func(int64) string { return "" })
}

// guess tries to sign in, and waits for the result for a second at most.
func (t *target) guess(ctx context.Context, o wiretest.Options, auth string) {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if c, err := t.stranger(ctx, o); err == nil {
		_, _ = wiretest.Enter(c, "/echo", auth)
		c.Drop()
	}
}

// beside runs attackers, and one after another signs in people who have a right to.
// It fails when one of them is refused.
func (t *target) beside(ctx context.Context, attackers int, attack func(ctx context.Context, i int), o wiretest.Options, auth func(n int64) string) error {
	var signedIn atomic.Int64
	o.TLS, o.From = t.secure, t.from
	refused := make(chan error, 1)
	go crowd(ctx, t.many(attackers), attack)
	repeat(ctx, 5, func() error {
		c, err := wiretest.Dial(context.WithoutCancel(ctx), t.addr, "websocket", o)
		if err != nil {
			refused <- err
			return err
		}
		defer c.Drop()
		reply, err := wiretest.Enter(c, "/echo", auth(signedIn.Add(1)))
		if err == nil && !strings.HasPrefix(reply, "40") {
			err = fmt.Errorf("%.200s", reply)
		}
		if err != nil {
			refused <- fmt.Errorf("somebody with a right to was refused: %w", err)
		}
		return err
	})
	select {
	case err := <-refused:
		return err
	default:
		return nil
	}
}

// relayFlood: a user sends as much as possible in a configured namespace, while two
// others talk there.
func relayFlood(ctx context.Context, t *target) error {
	go crowd(ctx, t.many(20), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/app", mallory)
		if err != nil || send(c, "/app", 0, `["room:join",{"room":"flood"}]`) != nil {
			return
		}
		go swallow(c)
		event := `42/app,["room:send",{"room":"flood","event":"x","data":"` + strings.Repeat("x", 1000) + `"}]`
		for ctx.Err() == nil && c.Send(event) == nil {
		}
	})
	talk := context.WithoutCancel(ctx)
	speaker, err := t.session(talk, "websocket", "/app", "honest-speaker")
	if err != nil {
		return err
	}
	defer speaker.Drop()
	hearer, err := t.session(talk, "websocket", "/app", "honest-hearer")
	if err != nil {
		return err
	}
	defer hearer.Drop()
	for _, c := range []wiretest.Client{speaker, hearer} {
		if err := send(c, "/app", 0, `["room:join",{"room":"quiet"}]`); err != nil {
			return err
		}
	}
	n := 0
	var failed error
	repeat(ctx, 20, func() error {
		n++
		if failed = send(speaker, "/app", n, `["room:send",{"room":"quiet","event":"word","data":1}]`); failed == nil {
			_, failed = until(hearer, `42/app,["word"`)
		}
		return failed
	})
	return failed
}

// send emits an event and waits for its acknowledgement, which must be good.
func send(c wiretest.Client, namespace string, id int, event string) error {
	if err := c.Send(fmt.Sprintf("42%s,%d%s", namespace, id, event)); err != nil {
		return err
	}
	answer, err := until(c, fmt.Sprintf("43%s,%d[", namespace, id))
	if err == nil && !strings.Contains(answer, `"ok":true`) {
		err = fmt.Errorf("%.200s", answer)
	}
	return err
}
