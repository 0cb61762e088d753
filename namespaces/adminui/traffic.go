package adminui

import "sync/atomic"

// Traffic counts connections and their messages for the interface's histograms, while somebody watches. Its methods are safe
// for concurrent use, wait for nothing, and do nothing for a nil Traffic.
type Traffic struct {
	on      atomic.Bool
	in, out direction
	ends    counts
}

type direction struct{ packets, bytes atomic.Int64 }

func (d *direction) add(bytes int) {
	d.packets.Add(1)
	d.bytes.Add(int64(bytes))
}

// Received counts a message of a client, of so many bytes.
func (t *Traffic) Received(bytes int) {
	if t != nil && t.on.Load() {
		t.in.add(bytes)
	}
}

// Sent counts a message to a client, of so many bytes.
func (t *Traffic) Sent(bytes int) {
	if t != nil && t.on.Load() {
		t.out.add(bytes)
	}
}

// Opened counts a new connection.
func (t *Traffic) Opened() {
	if t != nil && t.on.Load() {
		t.ends.add("rawConnection", "", 1)
	}
}

// Closed counts the end of a connection, with its reason.
func (t *Traffic) Closed(reason string) {
	if t != nil && t.on.Load() {
		t.ends.add("rawDisconnection", reason, 1)
	}
}

// take returns and forgets what was counted, as the interface has it.
func (t *Traffic) take() []happened {
	for _, c := range []struct {
		kind  string
		count *atomic.Int64
	}{{"packetsIn", &t.in.packets}, {"bytesIn", &t.in.bytes}, {"packetsOut", &t.out.packets}, {"bytesOut", &t.out.bytes}} {
		if n := c.count.Swap(0); n > 0 {
			t.ends.add(c.kind, "", int(n))
		}
	}
	return t.ends.take()
}
