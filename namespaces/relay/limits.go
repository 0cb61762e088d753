package relay

import (
	"context"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/namespaces"
)

// meter counts what one socket sends under one rule.
type meter struct{ events, bytes limit.Allowance }

// longestSlow is how long somebody who is over a limit is not read from at once.
const longestSlow = 10 * time.Second

// charge counts one event of so many bytes. Who is over the limit of the rule waits,
// is refused, or is cut.
func (r *Relay) charge(ctx context.Context, s *namespaces.Socket, rule string, l LimitRule, bytes int) error {
	if l.Events == 0 && l.Bytes == 0 {
		return nil
	}
	m := memberOf(s)
	for {
		wait := m.take(rule, l, bytes)
		if wait == 0 {
			return nil
		}
		switch l.Over {
		case OverDisconnect:
			s.Disconnect(true)
			return tooFast(wait)
		case OverSlow:
			select { // the client's further events wait behind this one, and then it is not read from
			case <-time.After(min(wait, longestSlow)):
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			return tooFast(wait)
		}
	}
}

func tooFast(wait time.Duration) error {
	return &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "That was too much at once; try again in a moment.", RetryAfter: wait}
}

// take takes from the allowances of a rule, or says how long to wait.
func (m *member) take(rule string, l LimitRule, bytes int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.meters == nil {
		m.meters = map[string]*meter{}
	}
	c := m.meters[rule]
	if c == nil {
		c = new(meter)
		m.meters[rule] = c
	}
	now := time.Now()
	if l.Bytes > 0 {
		every := max(1, time.Duration(float64(time.Second)/float64(l.Bytes)))
		if wait := c.bytes.TakeN(now, bytes, int(l.Bytes), every); wait > 0 {
			return wait
		}
	}
	if l.Events > 0 {
		burst := l.Burst
		if burst == 0 {
			burst = max(1, int(l.Events))
		}
		return c.events.Take(now, burst, time.Duration(float64(time.Second)/float64(l.Events)))
	}
	return 0
}

// nonces remembers the answers to messages, so that one that is sent again is
// answered again and not sent: the last ones of a socket.
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
