package namespaces_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

// TestAStrangerSendsNoAttachments bounds how much a client can make the server keep before it is admitted: already the
// header of a binary packet ends the connection (attack F1).
func TestAStrangerSendsNoAttachments(t *testing.T) {
	for _, text := range []string{`51-["e",{"_placeholder":true,"num":0}]`, `61-3[{"_placeholder":true,"num":0}]`} {
		run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
			p := newPeer(t, h)
			p.say(text)
			p.expectClosed("attachments before admission")
			if st := h.Stats(); st.Clients != 0 {
				t.Errorf("still there: %+v", st)
			}
		})
	}
}

// TestAKnownClientSendsAttachments checks that also after the client has left its last namespace: the limits for
// strangers do not come back.
func TestAKnownClientSendsAttachments(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.push(`51-7["raw",{"_placeholder":true,"num":0}]`)
		p.client.Message(true, []byte{1, 2})
		p.expect(`61-7[{"_placeholder":true,"num":0}]<0102>`)
	})
}

// TestWhatAClientBeginsCountsAndHasADeadline checks that awaited attachments count in the budget, and end the
// connection when they do not come (attack F2).
func TestWhatAClientBeginsCountsAndHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, namespaces.Config{}, shop())
		p := newPeer(t, h)
		p.enter("/", "ann")
		text := `52-7["raw",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
		p.push(text)
		p.client.Message(true, make([]byte, 1000))
		if held, want := p.held(), len(text)+1000; held != want {
			t.Errorf("%d bytes count, want %d", held, want)
		}
		p.client.Message(true, make([]byte, 1))
		synctest.Wait()
		if held := p.held(); held != 0 {
			t.Errorf("%d bytes count when all has been handled", held)
		}
		p.take()
		time.Sleep(time.Hour) // what is complete has no deadline
		p.push(text)
		time.Sleep(29 * time.Second)
		p.client.Message(true, make([]byte, 1000))
		time.Sleep(29 * time.Second)
		p.expect()
		time.Sleep(2 * time.Second)
		p.expectClosed("attachments did not come in time")
		p.gone(namespaces.End{Cut: true})
		if held := p.held(); held != 0 {
			t.Errorf("%d bytes count after the end", held)
		}
	})
}

// TestEventsThatWaitCountUntilTheyAreHandled checks that for handled and for dropped events.
func TestEventsThatWaitCountUntilTheyAreHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		step := make(chan struct{})
		namespaces.Handle(ns, "e", func(context.Context, *namespaces.Socket, namespaces.None) error { <-step; return nil })
		p := newPeer(t, newHub(t, namespaces.Config{}, ns))
		p.enter("/", "ann")
		p.say(`2["e"]`, `2["e"]`, `2["e"]`)
		each := p.held() / 3
		step <- struct{}{}
		synctest.Wait()
		if held := p.held(); each == 0 || held != 2*each {
			t.Errorf("%d bytes count for two events, %d for each", held, each)
		}
		p.gone(namespaces.End{Cut: true})
		close(step)
		synctest.Wait()
		if held := p.held(); held != 0 {
			t.Errorf("%d bytes count after the end", held)
		}
	})
}
