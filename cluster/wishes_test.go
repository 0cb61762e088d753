package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A socket that enters a room waits for the subscription that was begun after the room came into doubt, not for one that was
// under way.
func TestARoomIsAwaitedUntilItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{adapters: make(map[string]*adapter)}
		n.signal.init()
		w := &n.signal.wishes
		if err := w.await(t.Context()); err != nil {
			t.Error("nothing is in doubt:", err)
		}
		w.doubt(room{"/", "a"})
		underWay := n.lookAtRooms()
		w.doubt(room{"/", "b"})
		var returned bool
		go func() {
			if err := w.await(t.Context()); err != nil {
				t.Error(err)
			}
			returned = true
		}()
		w.settle(underWay)
		synctest.Wait()
		if returned {
			t.Error("the subscription of the second room was not awaited")
		}
		w.settle(n.lookAtRooms())
		synctest.Wait()
		if !returned {
			t.Error("it waits for what is heard")
		}
		w.doubt(room{"/", "c"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a subscription that does not come:", err)
		}
	})
}
