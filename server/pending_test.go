package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"

	"gatehouse/handshake"
)

func TestSilenceClosesTheLongestSilent(t *testing.T) {
	q := newIdleConns(2, slog.New(slog.DiscardHandler))
	ends := pipes(t, 4)
	q.state(ends[0], http.StateNew)
	q.state(ends[1], http.StateNew)
	speaks := q.busy(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	speaks.ServeHTTP(nil, httptest.NewRequestWithContext(q.context(context.Background(), ends[0]), http.MethodGet, "/socket.io/", nil))
	q.state(ends[2], http.StateNew)
	q.state(ends[2], http.StateActive) // one byte of a request is none
	q.state(ends[3], http.StateNew)
	if closed(ends[0]) || !closed(ends[1]) || closed(ends[2]) || closed(ends[3]) {
		t.Error("not the longest silent was closed")
	}
	q.state(ends[0], http.StateIdle) // kept alive: silent again
	if !closed(ends[2]) {
		t.Error("a kept-alive connection does not count")
	}
	q.state(ends[0], http.StateHijacked)
	q.state(ends[3], http.StateClosed)
	if silent, cut := q.count(); silent != 0 || cut != 2 {
		t.Errorf("%d silent, %d cut", silent, cut)
	}
}

func TestPendingByAddressForgetsWhoIsGone(t *testing.T) {
	var p pendingByAddress
	p.init(1)
	key := handshake.AddressKey(netip.MustParseAddr("203.0.113.7"))
	p.add(key)
	if !p.full(key) {
		t.Error("there is room")
	}
	p.remove(key)
	if p.full(key) || len(p.count) != 0 {
		t.Error("the address is remembered")
	}
}

func TestSeriesAreBoundedAndNothingIsLost(t *testing.T) {
	made := map[string]*int{}
	b := newBounded(func(values ...string) *int {
		made[values[0]] = new(int)
		return made[values[0]]
	}, "key")
	for i := range 2 * maxSeries {
		*b.of(strconv.Itoa(i))++
	}
	sum := 0
	for _, n := range made {
		sum += *n
	}
	if len(made) > maxSeries+1 || sum != 2*maxSeries || *made["other"] == 0 {
		t.Errorf("%d series, which count %d, %d of them together", len(made), sum, *made["other"])
	}
}
