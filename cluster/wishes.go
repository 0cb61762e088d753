package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// wishes are the channels that this node wants to hear.
type wishes struct {
	more chan struct{} // holds a token when they have changed

	mu       sync.Mutex        // guards what follows
	channels map[string]int    // how many want each
	patterns map[string]string // the namespace of each
	doubtful map[room]struct{} // rooms that may have come or gone
	rooms    map[room]struct{} // rooms whose channels are wanted
	hears    bool              // all of it is heard
	ever     bool              // it has been, once
	doubts   uint64            // how often a room has come into doubt
	settled  uint64            // the doubts up to this number are settled: the channels wanted then are heard
	news     chan struct{}     // closed when more of them are
}

// room is a room of a namespace.
type room struct{ namespace, name string }

func (w *wishes) init() {
	w.more = make(chan struct{}, 1)
	w.channels, w.patterns = make(map[string]int), make(map[string]string)
	w.doubtful, w.rooms = make(map[room]struct{}), make(map[room]struct{})
	w.news = make(chan struct{})
}

func (w *wishes) poke() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// change changes how many rooms and namespaces want each channel.
func (w *wishes) change(by int, channels ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range channels {
		if w.channels[c] += by; w.channels[c] <= 0 {
			delete(w.channels, c)
		}
	}
	w.hears = false
	w.poke()
}

// pattern adds the pattern of a namespace, or removes it.
func (w *wishes) pattern(pattern, namespace string, add bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if add {
		w.patterns[pattern] = namespace
	} else {
		delete(w.patterns, pattern)
	}
	w.hears = false
	w.poke()
}

// namespaceOf returns the namespace that a pattern belongs to.
func (w *wishes) namespaceOf(pattern string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.patterns[pattern]
}

// doubt notes that a room may have come or gone. It only notes.
func (w *wishes) doubt(r room) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[r] = struct{}{}
	w.doubts++
	w.poke()
}

// settle notes that the channels wanted since a number of doubts are heard.
func (w *wishes) settle(doubts uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = doubts
	close(w.news)
	w.news = make(chan struct{})
}

// await waits until the rooms that are there now are heard.
func (w *wishes) await(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for until := w.doubts; w.settled < until; {
		news := w.news
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-news:
		}
		w.mu.Lock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("subscribe a room: %w", err)
		}
	}
	return nil
}

// state reports whether all is heard, and whether it ever was.
func (w *wishes) state() (hears, ever bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hears, w.ever
}

// heardAll notes whether all is heard.
func (w *wishes) heardAll(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hears, w.ever = yes, w.ever || yes
}

// lookAtRooms sets the wanted channels to those of rooms that have a member here. It returns how many doubts are settled once
// they are heard.
func (n *Node) lookAtRooms() (doubts uint64) {
	w := &n.signal.wishes
	w.mu.Lock()
	doubtful, doubts := w.doubtful, w.doubts
	w.doubtful = make(map[room]struct{})
	w.mu.Unlock()
	for r := range doubtful {
		a := n.adapter(r.namespace)
		there := a != nil && a.local.HasRoom(r.name) // takes locks of the namespace, so not under w's
		w.mu.Lock()
		_, wanted := w.rooms[r]
		channel := n.channelOfRoom(r)
		switch {
		case there && !wanted:
			w.rooms[r] = struct{}{}
			w.channels[channel]++
		case !there && wanted:
			delete(w.rooms, r)
			if w.channels[channel]--; w.channels[channel] <= 0 {
				delete(w.channels, channel)
			}
		}
		w.mu.Unlock()
	}
	return doubts
}

// wanted returns a copy of the channels and patterns. Later additions make the set incomplete again.
func (w *wishes) wanted() (channels, patterns []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.channels)), slices.Collect(maps.Keys(w.patterns))
}
