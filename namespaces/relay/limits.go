package relay

import (
	"context"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/namespaces"
)

// meter counts what has been sent under one bound.
type meter struct{ events, bytes limit.Allowance }

// longestSlow is how long a client that is over a limit is not read. Then its event is
// refused.
const longestSlow = 10 * time.Second

// charge counts one event of so many bytes, to a room or to none. A client that is over
// a limit waits, is refused, or is cut, and then nothing is counted.
func (r *Relay) charge(ctx context.Context, s *namespaces.Socket, rule string, l LimitRule, room, event string, bytes int) error {
	bounds := r.bounds(s, rule, l, room, event)
	if len(bounds) == 0 {
		return nil
	}
	m, slowed := memberOf(s), time.Duration(0)
	for {
		wait, over := r.take(m, bounds, bytes)
		switch {
		case wait == 0:
			return nil
		case over == OverDisconnect:
			s.Disconnect(true)
			return tooFast(wait)
		case over != OverSlow || slowed+wait > longestSlow:
			return tooFast(wait)
		}
		select { // the client's further events wait behind this one, and when its queue is full it is not read
		case <-time.After(wait):
			slowed += wait
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func tooFast(wait time.Duration) error {
	return &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "That was too much at once; try again in a moment.", RetryAfter: wait}
}

// bound is a limit and its owner: the socket, or a key that several sockets share.
type bound struct {
	Limit
	shared bool
	key    string
}

// bounds are those that an event must be within.
func (r *Relay) bounds(s *namespaces.Socket, rule string, l LimitRule, room, event string) (all []bound) {
	if one := l.socket(); one.On() {
		all = append(all, bound{one, false, rule})
	}
	for name, one := range l.Event {
		if fits([]string{name}, event) {
			all = append(all, bound{one, false, rule + "\x00" + name})
		}
	}
	if l.User.On() {
		all = append(all, bound{l.User, true, rule + "\x00user\x00" + memberOf(s).payer(s)})
	}
	if l.Room.On() {
		all = append(all, bound{l.Room, true, rule + "\x00room\x00" + key(s, room)})
	}
	return all
}

// payer returns the key that the events of a socket count for.
func (m *member) payer(s *namespaces.Socket) string {
	id := s.Identity()
	if id.Subject == "" || id.Method == handshake.MethodAnonymous {
		return m.network
	}
	return id.Issuer + "\x00" + id.Subject
}

// take takes from all bounds. If one of them is exhausted it takes from none, and says
// how long to wait and what happens to the client.
func (r *Relay) take(m *member, bounds []bound, bytes int) (wait time.Duration, over string) {
	now := time.Now()
	r.meters.mu.Lock()
	defer r.meters.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	meters := make([]*meter, len(bounds))
	for i, b := range bounds {
		meters[i] = m.meter(b.key)
		if b.shared {
			meters[i] = r.meters.meterLocked(b.key)
		}
		if w := meters[i].wait(now, b.Limit, bytes); w > wait {
			wait, over = w, b.Over
		}
	}
	if wait > 0 {
		return wait, over
	}
	for i, b := range bounds {
		meters[i].take(now, b.Limit, bytes)
	}
	return 0, ""
}

func (m *member) meter(key string) *meter {
	if m.meters == nil {
		m.meters = map[string]*meter{}
	}
	if m.meters[key] == nil {
		m.meters[key] = new(meter)
	}
	return m.meters[key]
}

func (c *meter) wait(now time.Time, l Limit, bytes int) (wait time.Duration) {
	if l.Bytes > 0 {
		wait = c.bytes.WaitN(now, bytes, int(l.Bytes), l.Bytes.every())
	}
	if l.Events > 0 {
		wait = max(wait, c.events.WaitN(now, 1, l.burst(), l.Events.every()))
	}
	return wait
}

func (c *meter) take(now time.Time, l Limit, bytes int) {
	if l.Bytes > 0 {
		c.bytes.TakeN(now, bytes, int(l.Bytes), l.Bytes.every())
	}
	if l.Events > 0 {
		c.events.Take(now, l.burst(), l.Events.every())
	}
}

func (l Limit) burst() int {
	if l.Burst > 0 {
		return l.Burst
	}
	return max(1, int(l.Events))
}

// every is the time in which one event or byte is earned.
func (r Rate) every() time.Duration { return max(1, time.Duration(float64(time.Second)/float64(r))) }

// meters are the meters of users and rooms. Their number is bounded; those that have
// not been used for longest are forgotten.
type meters struct {
	mu         sync.Mutex // guards what follows; taken before that of a member
	young, old map[string]*meter
}

const mostMeters = 50_000 // of each of the two generations

// meterLocked finds a meter.
func (s *meters) meterLocked(key string) *meter {
	if c := s.young[key]; c != nil {
		return c
	}
	c := s.old[key]
	if c == nil {
		c = new(meter)
	}
	if len(s.young) >= mostMeters || s.young == nil {
		s.old, s.young = s.young, map[string]*meter{}
	}
	s.young[key] = c
	return c
}

// nonces remembers the answers to a socket's last messages, so that a message that is
// sent again is answered again and not sent twice.
type nonces struct {
	ids   map[string]string // by room and nonce
	order []string
}

const mostNonces = 128

func (m *member) answered(room, nonce string) (id string, ok bool) {
	if nonce == "" {
		return "", false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok = m.answers.ids[room+"\x00"+nonce]
	return id, ok
}

func (m *member) answer(room, nonce, id string) {
	if nonce == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &m.answers
	if n.ids == nil {
		n.ids = map[string]string{}
	}
	if len(n.order) == mostNonces {
		delete(n.ids, n.order[0])
		n.order = n.order[1:]
	}
	n.ids[room+"\x00"+nonce] = id
	n.order = append(n.order, room+"\x00"+nonce)
}
