package cluster

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"gatehouse/handshake"
)

// TestMain passes over a goroutine of the Redis client that sleeps, for a second at
// most, before it finds its client closed.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // those that run side by side wait; the command line, which is read later, decides
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// connect returns a client of the Redis that TEST_REDIS_ADDR names (make test
// starts it), nil when there is none, and a prefix of the test's own.
func connect(t *testing.T) (rueidis.Client, string) {
	t.Helper()
	addr := os.Getenv("TEST_REDIS_ADDR")
	if addr == "" {
		t.Log("TEST_REDIS_ADDR is not set: without Redis")
		return nil, ""
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, fmt.Sprintf("gatehouse:test:%s:%d:", t.Name(), time.Now().UnixNano())
}

// join starts the bus of a node; heard gets the revocations that it applies.
func join(t *testing.T, client rueidis.Client, prefix string, limit int) (bus *Bus, list *handshake.Revocations, heard chan handshake.Revocation) {
	t.Helper()
	list, heard = handshake.NewRevocations(handshake.RevocationConfig{}, nil), make(chan handshake.Revocation, 100)
	bus = New(Config{
		Client: func() (rueidis.Client, error) { return client, nil }, Prefix: prefix, MaxRevocations: limit, Revocations: list.All, Logger: slog.New(slog.DiscardHandler),
		Apply: func(revocations []handshake.Revocation) {
			for _, m := range revocations {
				kept, err := list.Add(m)
				if err != nil {
					t.Error(err)
				}
				heard <- kept
			}
		},
	})
	t.Cleanup(bus.Close)
	return bus, list, heard
}

func revocation(value string, until time.Duration) handshake.Revocation {
	now := time.Now()
	return handshake.Revocation{Kind: handshake.RevokeSubject, Value: value, At: now, Until: now.Add(until), Reason: "left"}
}

// hears waits for a revocation on the value.
func hears(t *testing.T, heard chan handshake.Revocation, value string) handshake.Revocation {
	t.Helper()
	for {
		select {
		case m := <-heard:
			if m.Value == value {
				return m
			}
		case <-time.After(time.Minute):
			t.Fatalf("nothing of %s", value)
		}
	}
}

func TestReq20_MarksReachWhoIsThereAndWhoJoins(t *testing.T) {
	client, prefix := connect(t)
	if client == nil {
		return
	}
	one, _, own := join(t, client, prefix, 0)
	_, _, heard := join(t, client, prefix, 0)
	sent := revocation("ada", time.Hour)
	if err := one.Spread(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	for _, ch := range []chan handshake.Revocation{own, heard} {
		if m := hears(t, ch, "ada"); m.At.Before(sent.At) || m.Until.Before(sent.Until) || m.Reason != "left" {
			t.Errorf("%+v", m)
		}
	}
	_, _, late := join(t, client, prefix, 0)
	hears(t, late, "ada")
	if ttl, err := client.Do(t.Context(), client.B().Pttl().Key(newStore(prefix, 1).revocations).Build()).AsInt64(); err != nil || ttl <= 0 || ttl > time.Hour.Milliseconds()+1 {
		t.Errorf("the list lapses in %d ms: %v", ttl, err)
	}
}

func TestReq20_WhatRedisLostIsStoredAgain(t *testing.T) {
	client, prefix := connect(t)
	if client == nil {
		return
	}
	_, list, own := join(t, client, prefix, 0)
	first, _, _ := join(t, client, prefix, 0)
	if err := first.Spread(t.Context(), revocation("ada", time.Hour)); err != nil {
		t.Fatal(err)
	}
	hears(t, own, "ada")
	s := newStore(prefix, 10)
	if err := client.Do(t.Context(), client.B().Del().Key(s.revocations, s.ends).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	kill := client.B().ClientKill().TypePubsub().Build() // their connections break, too
	if err := client.Do(t.Context(), kill).Error(); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; {
		there, _, err := s.list(t.Context(), client)
		if err == nil && len(there) == 1 && len(list.All()) == 1 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%v, %v", there, err)
		}
	}
}

func TestReq20_TheListInRedisMergesLapsesAndIsBounded(t *testing.T) {
	client, prefix := connect(t)
	if client == nil {
		return
	}
	s := newStore(prefix, 2)
	put := func(m handshake.Revocation) error {
		r, err := recordOf(m)
		if err != nil {
			t.Fatal(err)
		}
		return s.put(t.Context(), client, r)
	}
	long, short := revocation("ada", 2*time.Hour), revocation("ada", time.Hour)
	for _, m := range []handshake.Revocation{long, short, revocation("bob", time.Hour)} {
		if err := put(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(revocation("cleo", time.Hour)); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	there, _, err := s.list(t.Context(), client)
	if m := there[idOf(long)]; err != nil || len(there) != 2 || m.Until.Before(long.Until) || m.At.Before(short.At) {
		t.Errorf("%v, %v", there, err)
	}
	s = newStore(prefix+"lapsed:", 1)
	if err := put(revocation("ada", -time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := put(revocation("bob", time.Hour)); err != nil {
		t.Errorf("a lapsed revocation takes the place of another: %v", err)
	}
}

func TestRecordsAreReadAsTheyAreWritten(t *testing.T) {
	m := revocation(`a "quoted" <name>: ü`, time.Hour)
	m.Issuer = "https://id.example"
	r, err := recordOf(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseRecord(fmt.Sprintf("%d:%d:%s", r.at, r.until, r.rest))
	if err != nil || idOf(got) != r.id || got.Reason != m.Reason || got.At.Before(m.At) || got.At.Sub(m.At) > time.Microsecond {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "1", "1:2", "1:2:", "1:2:{}", "x:2:{}", "1:x:{}", `-1:2:{"value":"x"}`, "1:2:[]", `1:2:{"value":"` + strings.Repeat("x", maxRecord) + `"}`} {
		if _, err := parseRecord(text); err == nil {
			t.Errorf("%.30q is a revocation", text)
		}
	}
	m.Value = strings.Repeat("x", maxRecord)
	if _, err := recordOf(m); err == nil {
		t.Error("a revocation of any length")
	}
}

func TestABusWithoutRedisEnds(t *testing.T) {
	away := errors.New("away")
	asked := make(chan struct{}, 1)
	bus := New(Config{Logger: slog.New(slog.DiscardHandler), Client: func() (rueidis.Client, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil, away
	}})
	<-asked
	if err := bus.Spread(t.Context(), revocation("ada", time.Hour)); !errors.Is(err, away) {
		t.Error(err)
	}
	bus.Close()
}
