package engine

import (
	"container/list"
	"sync"
)

// closings are the sessions that are closing: each still holds a file until its
// client has said good-bye too, or Config.CloseTimeout is over.
type closings struct {
	most int // fixed; 0: no limit

	mu    sync.Mutex // guards what follows; a leaf
	order list.List  // of *Session, the longest closing first
	place map[*Session]*list.Element
}

// add lists s, unless it is gone already. When there are too many it returns the
// session that has to go at once.
func (c *closings) add(s *Session) (excess *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.current() == stateClosed {
		return nil
	}
	if c.place == nil {
		c.place = make(map[*Session]*list.Element)
	}
	c.place[s] = c.order.PushBack(s)
	if c.most == 0 || c.order.Len() <= c.most {
		return nil
	}
	return c.order.Front().Value.(*Session)
}

func (c *closings) remove(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.place[s]; ok {
		c.order.Remove(e)
		delete(c.place, s)
	}
}

// oldest returns the session that has been closing for longest, or nil.
func (c *closings) oldest() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.order.Front(); e != nil {
		return e.Value.(*Session)
	}
	return nil
}

func (c *closings) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

// EndClosing ends the session that has been closing for longest, without waiting
// for its client, and reports whether there was one. It frees a file where files
// are short. It is safe for concurrent use.
func (srv *Server) EndClosing() bool {
	s := srv.closings.oldest()
	if s == nil {
		return false
	}
	s.destroy()
	return true
}

// closes lists a session that begins to close. A server that drains lists none: all
// of its sessions close, and no others come.
func (srv *Server) closes(s *Session) {
	if excess := srv.closings.add(s); excess != nil && !srv.draining.Load() {
		excess.destroy()
	}
}
