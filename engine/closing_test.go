package engine

import (
	"testing"
	"time"
)

// A client that never answers a close frame holds a file for as long as it is
// allowed to, so the number of such clients is limited.
func TestTooManyClosingSessionsEndTheOldest(t *testing.T) {
	const most = 2
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, Config{Limits: Limits{CloseTimeout: time.Hour}, MaxClosing: most})
			var all []*side
			for range most + 2 {
				r.dial(t, transport)
				s := r.opened.next(t)
				s.Session.Close(CodeNormal, "")
				s.end(t, ReasonForcedClose) // the handler hears of the end when the session is listed
				all = append(all, s)
			}
			for i, s := range all {
				if i < len(all)-most {
					s.awaitState(t, func() bool { return s.current() == stateClosed })
				} else if s.current() != stateClosing {
					t.Errorf("session %d ended before its time", i)
				}
			}
			if n := r.srv.Stats().Closing; n != most {
				t.Errorf("%d are closing", n)
			}
			for i, more := range []bool{true, true, false} {
				if r.srv.EndClosing() != more {
					t.Errorf("%d of the two others could be ended", i)
				}
			}
			if n := r.srv.Stats().Closing; n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// In a drain all sessions close at once, and have the time to.
func TestADrainLetsAllSessionsClose(t *testing.T) {
	r := newRig(t, Config{MaxClosing: 1})
	var all []client
	for range 5 {
		all = append(all, r.dial(t, "websocket"))
		check(t, r.opened.next(t).Send(NewFrame([]byte("last words"), nil)))
	}
	drained := make(chan error, 1)
	go func() { drained <- r.srv.Drain(t.Context(), time.Millisecond) }()
	for _, c := range all {
		if p := must[packet](t)(c.next()); p.data != "last words" {
			t.Error(p)
		}
		expectEnd(t, c, CodeServiceRestart, string(ReasonShutdown))
		check(t, c.leave())
	}
	check(t, <-drained)
}
