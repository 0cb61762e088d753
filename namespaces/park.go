package namespaces

import (
	"time"

	"gatehouse/packet"
)

// A socket whose transport is lost is parked where recovery is on: it does not count as connected any more, but it
// stays in its rooms and collects what is sent to it, until its client comes back, its time is over, or somebody ends
// it. A parked socket can join, leave and be disconnected as any other; revocations, expiry and Config.MaxPerUser end
// it. It is not counted or listed, and cannot acknowledge events.

// parkLocked parks an open socket, and returns the acknowledgements that will not come any more. It returns false when
// it must end. The client's mu is held.
func (s *Socket) parkLocked(reason string) (acks map[uint64]waiter, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != open || s.kept == nil {
		return nil, false
	}
	b := s.ns.hub.lot.add(s)
	if b == nil {
		return nil, false
	}
	acks, s.acks = s.acks, nil
	s.phase, s.exit = parked, &exit{reason: reason, recovered: s.recoveredLocked(), berth: b}
	s.ns.parked.Add(1)
	return acks, true
}

// exit is the state of a socket that is parked or has ended.
type exit struct {
	reason    string
	recovered bool    // the socket was
	berth     *berth  // nil unless it was parked
	heir      *Socket // the socket that has taken over; its connect handlers run when the disconnect handlers have returned
}

// present reports whether the socket is listed and counted: open, and not parked.
func (s *Socket) present() bool { return s.Connected() }

// present collects the selected sockets without those that are parked.
func (l Local) present(sel *Selection) []*Socket {
	var sockets []*Socket
	l.each(sel, func(s *Socket) {
		if s.present() {
			sockets = append(sockets, s)
		}
	})
	return sockets
}

// keepLocked is send for a socket whose frames are kept. The phase is open or parked.
func (s *Socket) keepLocked(f *packet.Frame, flags Flags) error {
	here, limits := s.phase == open, &s.ns.hub.cfg.Recovery
	switch {
	case flags&Volatile != 0:
		if here && s.conn.SendVolatile(f) && f.Offset != "" {
			s.kept.add(marker(f), limits)
		}
		return nil
	case f.Offset != "":
		s.kept.add(f, limits)
		if here {
			_ = s.conn.Send(f) // when this fails, the socket is about to be parked
		}
		return nil
	case here && s.conn.Send(f) == nil:
		return nil
	}
	return ErrClosed
}

// lapse ends a parked socket whose client has not come back.
func (s *Socket) lapse() {
	s.mu.Lock()
	if s.phase != parked {
		s.mu.Unlock()
		return
	}
	reason := s.exit.reason
	s.mu.Unlock()
	if admitted, ok := s.beginEnd(reason, byServer); ok {
		s.ns.hooks.sessionLapsed(s)
		s.finishEnd(byServer, admitted)
	}
}

// retire ends the remains of a socket that another one has taken over from. The other one's handlers run after its own.
func (s *Socket) retire() {
	s.ns.hub.lot.remove(s.exit.berth)
	s.mu.Lock()
	life := s.lazy
	s.mu.Unlock()
	if life != nil {
		life.cancel()
	}
	s.settle(byClient, true)
}

// heir returns the socket that goes on for one that has been taken over, or nil. Calls on the old socket by handlers that
// still run are redirected to it.
func (s *Socket) heir() *Socket {
	var last *Socket
	for {
		s.mu.Lock()
		x := s.exit
		taken := s.phase == ended && x != nil && x.heir != nil
		s.mu.Unlock()
		if !taken {
			return last
		}
		s = x.heir
		last = s
	}
}

// handOver starts the queue of the socket that has taken over.
func (s *Socket) handOver() {
	if heir := s.exit.heir; heir != nil {
		s.ns.hub.turns.start(heir)
	}
}

// keepParked ends parked sockets whose time is over, and ages what is kept of all sockets. It runs until the hub closes.
func (h *Hub) keepParked() {
	ageing := time.NewTicker(h.cfg.Recovery.For)
	defer ageing.Stop()
	timer := time.NewTimer(h.cfg.Recovery.For)
	defer timer.Stop()
	for {
		due, left := h.lot.next(time.Now())
		if due != nil {
			due.lapse()
			continue
		}
		if left > 0 {
			timer.Reset(left)
		}
		select {
		case <-timer.C:
		case <-h.lot.wake:
		case <-ageing.C:
			h.age()
		case <-h.registry.stop:
			return
		}
	}
}

// age drops frames that have been kept for connected sockets for longer than a client may be away.
func (h *Hub) age() {
	for ns := range h.Namespaces() {
		for _, s := range ns.sockets.all() {
			s.mu.Lock()
			if s.phase == open && s.kept != nil {
				s.kept.age()
			}
			if j := s.journalLocked(); j != nil {
				j.age(ns.sessions.Place())
			}
			s.mu.Unlock()
			s.keepSession(false)
		}
	}
}
