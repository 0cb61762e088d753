package namespaces

// Kept counts what the hub keeps besides its sockets: identities that will expire, and users.
func (h *Hub) Kept() (expiries, people int) {
	h.agenda.mu.Lock()
	expiries = len(h.agenda.queue)
	h.agenda.mu.Unlock()
	if h.users != nil {
		h.users.mu.Lock()
		people = len(h.users.byKey)
		h.users.mu.Unlock()
	}
	return expiries, people
}
