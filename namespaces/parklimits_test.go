package namespaces_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

// A user with many parked sockets makes room for others, and the lot is bounded.
func TestParkedSocketsAreBounded(t *testing.T) {
	cfg := recovering()
	cfg.Recovery.Parked = 10
	lapsed := 0
	cfg.Hooks = []namespaces.Hooks{{SessionLapsed: func(*namespaces.Socket) { lapsed++ }}}
	ns := namespaces.New("/")
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		bob := arrive(t, h, "/", "bob")
		bob.cut()
		var many []*visit
		for range 20 {
			ann := arrive(t, h, "/", "ann")
			ann.cut()
			many = append(many, ann)
		}
		if st := h.Stats(); st.Parked != 10 || lapsed != 11 {
			t.Errorf("%+v, %d lapsed", st, lapsed)
		}
		bob.mustRecover(h)
		many[0].mustNotRecover(h)
		many[19].mustRecover(h)
	})
}

// Thousands of sockets whose network breaks at one moment are parked, collect, and come back.
func TestTenThousandParked(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 10_000
	ns := namespaces.New("/")
	cfg := recovering()
	cfg.MaxPending = n + 1
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		all := make([]*visit, n)
		for i := range all {
			all[i] = arrive(t, h, "/", "u")
		}
		for _, v := range all {
			v.gone(broken)
		}
		synctest.Wait()
		if st := h.Stats(); st.Parked != n || st.Clients != 0 {
			t.Fatalf("%+v", st)
		}
		flood(ns, 3)
		for _, v := range all[:100] {
			v.mustRecover(h)
			v.received(`["n",0]`, `["n",1]`, `["n",2]`)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := h.Stats(); st.Parked != 0 || st.Sockets != 100 {
			t.Fatalf("%+v", st)
		}
	})
}
