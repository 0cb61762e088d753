package namespaces

import "time"

// Kept counts what the hub keeps besides its sockets: identities that will expire, and users.
func (h *Hub) Kept() (expiries, people int) {
	h.expiries.mu.Lock()
	expiries = h.expiries.queue.Len()
	h.expiries.mu.Unlock()
	if h.users != nil {
		h.users.mu.Lock()
		people = len(h.users.byKey)
		h.users.mu.Unlock()
	}
	return expiries, people
}

// PaceAccounts makes accounts for so many keys and returns how many are kept.
func (h *Hub) PaceAccounts(keys int) (kept int) {
	for key := range keys {
		_, shard := h.pace.account(uint64(key), time.Now())
		shard.mu.Unlock()
	}
	for i := range h.pace.shards {
		kept += len(h.pace.shards[i].young) + len(h.pace.shards[i].old)
	}
	return kept
}

// PaceCharge returns what counts a packet of one socket.
func (h *Hub) PaceCharge() func() {
	s := &Socket{id: "a"}
	h.pace.charge(s, 0)
	return func() { h.pace.charge(s, 10) }
}

// IndexedUsers returns how many sockets are known by a user.
func (ns *Namespace) IndexedUsers(subject string) (n int) {
	ns.users.read(subject, func(all []*Socket) { n = len(all) })
	return n
}
