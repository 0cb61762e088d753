package engine

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hop is a server on the way that leaves when a test says so.
type hop struct{ atomic.Bool }

func (h *hop) Leaving() bool { return h.Load() }

// A poll through a server that leaves is answered with nothing, whether it is waiting already or comes later, and the
// session goes on by another way.
func TestAPollDoesNotWaitForAServerThatLeaves(t *testing.T) {
	var through hop

	var direct atomic.Bool
	r := newRig(t, Config{}, func(_ testing.TB, r *rig) {
		r.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if direct.Load() {
				r.srv.ServeHTTP(w, req)
				return
			}
			r.srv.ServeHop(w, req, &through)
		})
	}, throughHTTP)
	c := r.dialPolling(t)
	side := r.opened.next(t)
	answers := goes(func() error {
		_, body, err := c.get()
		if body != "6" {
			t.Errorf("the poll that waited: %q, want a NOOP", body)
		}
		return err
	})
	side.awaitState(t, func() bool { return side.longPollLocked().get != nil })
	through.Store(true)
	r.srv.Leave(t.Context(), &through, time.Second)
	check(t, await(t, answers))
	for range 2 {
		if _, body, err := c.get(); err != nil || body != "6" {
			t.Errorf("a poll that came later: %q %v, want a NOOP", body, err)
		}
	}
	check(t, side.Send(NewFrame([]byte("hello"), nil)))
	if _, body, err := c.get(); err != nil || !strings.Contains(body, "4hello") {
		t.Errorf("what is there is taken by any way: %q %v", body, err)
	}
	direct.Store(true)
	check(t, c.send("on"))
	if got := side.got.next(t).data; got != "on" {
		t.Errorf("heard %q", got)
	}
}
