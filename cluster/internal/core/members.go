package core

import (
	"slices"
	"time"
)

// Members are the other nodes that are there. It is not safe for concurrent use.
type Members struct {
	timeout time.Duration
	seen    map[string]time.Time
}

// NewMembers returns an empty list. A node leaves it when nothing was heard of it for timeout.
func NewMembers(timeout time.Duration) *Members {
	return &Members{timeout: timeout, seen: make(map[string]time.Time)}
}

// Heard notes a heartbeat. It reports whether the node is new.
func (m *Members) Heard(now time.Time, node string) bool {
	_, known := m.seen[node]
	m.seen[node] = now
	return !known
}

// Left notes that a node has said that it leaves. It reports whether the node was there.
func (m *Members) Left(node string) bool {
	_, known := m.seen[node]
	delete(m.seen, node)
	return known
}

// Tick returns the nodes that are gone, sorted.
func (m *Members) Tick(now time.Time) []string {
	var gone []string
	for node, at := range m.seen {
		if now.Sub(at) > m.timeout {
			gone = append(gone, node)
			delete(m.seen, node)
		}
	}
	slices.Sort(gone)
	return gone
}

// Resume tells that heartbeats could not be heard until now, so that no node counts as gone
// because of that.
func (m *Members) Resume(now time.Time) {
	for node := range m.seen {
		m.seen[node] = now
	}
}

// Nodes returns the nodes that are there, sorted.
func (m *Members) Nodes() []string {
	nodes := make([]string, 0, len(m.seen))
	for node := range m.seen {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	return nodes
}
