package engine

import (
	"net/http"
	"testing"
	"time"
)

func TestWhoSendsLearnsThatAFrameHasLeft(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		left := make(chan bool, 2)
		frame := func() *Frame { return NewFrame([]byte("x"), nil).Notify(func(written bool) { left <- written }) }
		check(t, s.Send(frame()))
		if p := must[packet](t)(c.next()); p.data != "x" {
			t.Errorf("got %v", p)
		}
		if !hasLeft(t, left) {
			t.Error("a frame that has come counts as lost")
		}
		s.fail(errAbortedGET)
		if err := s.Send(frame()); err == nil {
			t.Error("sent by a session that has ended")
		}
		if len(left) > 0 {
			t.Error("what was never queued is told of")
		}
	})
}

func TestWhoSendsLearnsThatAFrameIsLost(t *testing.T) {
	r := newRig(t, Config{})
	r.dialPolling(t)
	s := r.opened.next(t)
	left := make(chan bool, 1)
	check(t, s.Send(NewFrame([]byte("x"), nil).Notify(func(written bool) { left <- written })))
	r.srv.Close()
	if hasLeft(t, left) {
		t.Error("a frame that nobody fetched counts as written")
	}
}

func hasLeft(t *testing.T, left chan bool) bool {
	t.Helper()
	select {
	case written := <-left:
		return written
	case <-time.After(patience):
		t.Fatal("nobody was told")
		return false
	}
}

// TestAFrameMayStayUncompressed sends an uncompressed frame between compressed ones, with and without context
// takeover.
func TestAFrameMayStayUncompressed(t *testing.T) {
	for _, takeover := range []Takeover{TakeoverNone, TakeoverBoth} {
		r := newRig(t, Config{Deflate: Deflate{Enabled: true, Takeover: takeover}})
		z := r.dialZipped(t, "")
		z.expectOpen(t)
		s := r.opened.next(t)
		left := make(chan bool, 1)
		check(t, s.Send(NewFrame([]byte(talk(1)), nil)))
		check(t, s.Send(NewFrame([]byte(talk(1)), nil).Uncompressed().Notify(func(written bool) { left <- written })))
		check(t, s.Send(NewFrame([]byte(talk(1)), nil)))
		for i := range 3 {
			if text, _, compressed := z.nextMessage(t); text != "4"+talk(1) || compressed != (i != 1) {
				t.Errorf("%s, message %d: got %.40q, compressed: %t", takeover, i, text, compressed)
			}
		}
		if !hasLeft(t, left) {
			t.Errorf("%s: a frame that has come counts as lost", takeover)
		}
	}
}

func TestAPollWithAnUncompressedFrameStaysAsItIs(t *testing.T) {
	r := newRig(t, Config{CompressAbove: 100})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	check(t, s.Send(NewFrame([]byte(talk(1)), nil)))
	check(t, s.Send(NewFrame([]byte(talk(2)), nil).Uncompressed()))
	req := must[*http.Request](t)(http.NewRequest(http.MethodGet, c.URL(), nil))
	req.Header.Set("Accept-Encoding", "gzip")
	res := must[*http.Response](t)(c.HTTP.Do(req))
	defer res.Body.Close()
	if encoding := res.Header.Get("Content-Encoding"); encoding != "" {
		t.Errorf("Content-Encoding: %s", encoding)
	}
}
