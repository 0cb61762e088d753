package server

import (
	"net/netip"
	"sync"
)

// pendingByAddress counts, by address, the connections that are in no
// namespace. It holds no more keys than there are such connections, and the hub
// limits these.
type pendingByAddress struct {
	mu    sync.Mutex // guards what follows; a leaf
	max   int
	count map[netip.Prefix]int
}

func (p *pendingByAddress) init(limit int) { p.max, p.count = limit, make(map[netip.Prefix]int) }

// set changes the limit.
func (p *pendingByAddress) set(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.max = limit
}

// full reports whether an address is at its limit.
func (p *pendingByAddress) full(key netip.Prefix) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[key] >= p.max
}

func (p *pendingByAddress) add(key netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[key]++
}

func (p *pendingByAddress) remove(key netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[key]--; p.count[key] <= 0 {
		delete(p.count, key)
	}
}
