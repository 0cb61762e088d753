package namespaces

// Key keeps values of one type on sockets, apart from those of all other keys and from [Socket.SetData]. It is declared once,
// as a variable, and must not be copied:
//
//	var seat namespaces.Key[Seat]
//
//	seat.Set(s, Seat{Row: 1})
//	here, ok := seat.Get(s)
//
// Its methods are safe for concurrent use.
type Key[T any] struct {
	_ byte // two keys have two addresses
}

// keyed holds the values of keys and the value of SetData, in whose place it stands, so that a socket without either has one
// word.
type keyed struct {
	data   any
	values map[any]any // by key
}

// Set keeps a value with the socket, instead of the one that the key kept before.
func (k *Key[T]) Set(s *Socket, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ok := s.data.(*keyed)
	if !ok {
		all = &keyed{data: s.data, values: make(map[any]any, 1)}
		s.data = all
	}
	all.values[k] = v
}

// Get returns the value kept with the socket, and whether there is one. It can be read in disconnect handlers too.
func (k *Key[T]) Get(s *Socket) (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all, isKeyed := s.data.(*keyed); isKeyed {
		v, ok = all.values[k].(T)
	}
	return v, ok
}

// Delete forgets the value.
func (k *Key[T]) Delete(s *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all, isKeyed := s.data.(*keyed); isKeyed {
		delete(all.values, k)
	}
}
