package cluster

import (
	"errors"
	"testing"

	"github.com/redis/rueidis"
)

// The queue for a Redis that hangs, and the queue of received messages, are bounded in bytes,
// too.
func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	n := &Node{cfg: NodeConfig{Settings: Settings{BacklogBytes: 1 << 20}}.withDefaults()}
	n.signal.init()
	message := make([]byte, 1<<18)
	said := 0
	for n.say(told{payload: message}) == nil && said < 100 {
		said++
	}
	if said != 4 {
		t.Errorf("%d messages of 256 KiB wait, with a backlog of 1 MiB", said)
	}
	for range 10 {
		n.overhear(rueidis.PubSubMessage{Message: string(message)})
	}
	if held, lost := len(n.signal.inbox), n.counts.Unheard.Load(); held != 4 || lost != 6 {
		t.Errorf("%d messages of 256 KiB were heard and wait, %d count as unheard", held, lost)
	}
	n.cfg.Client = func() (rueidis.Client, error) { return nil, errors.New("redis is away") }
	n.signal.settle(n.publish(t.Context(), <-n.signal.outbox)...)
	if messages, bytes := n.signal.waiting.Load(), n.signal.waitingBytes.Load(); messages != 0 || bytes != 0 {
		t.Errorf("%d messages, %d bytes count as waiting", messages, bytes)
	}
}
