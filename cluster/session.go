package cluster

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
)

// A session is in Redis while it lives, where cluster.mode is "streams" and recovery is on, so that its client can come
// back to any node, also when the one that it was at has died. It has one owner at a time. A change is stored together
// with a mark in the stream. The mark waits in the same queue as direct emits of this node, so that later emits leave
// after it. A node takes a session over in one step with an entry in the stream, which tells the former owner.

// takeScript takes a session over. KEYS: the record, the stream. ARGV: the owner as it was found, the new one, milliseconds until
// the record lapses, unused, and from the eighth on as of entryFunction. It returns the record, its signature and the id of the
// entry; nothing when the owner is another one by now. It may be run again when its answer was lost.
var takeScript = rueidis.NewLuaScript(entryFunction + `
local owner = redis.call('HGET', KEYS[1], 'o')
if owner ~= ARGV[1] and owner ~= ARGV[2] then return {} end
local record = redis.call('HMGET', KEYS[1], 'd', 's')
redis.call('HSET', KEYS[1], 'o', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {record[1] or '', record[2] or '', add(KEYS[2], 9, #ARGV - 8)}`)

const (
	over       = "-" // owns a session that has ended
	maxSession = 1 << 20
)

// recovers reports whether sessions of the namespace are kept for all nodes.
func (a *adapter) recovers() bool {
	return a.lane() != nil && a.lane().core.Log() != nil && a.local.Recovery() > 0
}

func (a *adapter) lane() *lane {
	l, _ := a.carrier.(*lane)
	return l
}

// Sessions implements namespaces.SessionKeeper.
func (a *adapter) Sessions() namespaces.Sessions {
	if !a.recovers() {
		return nil
	}
	return sessions{a}
}

// sessions implements namespaces.Sessions.
type sessions struct{ a *adapter }

// Place implements namespaces.Sessions.
func (s sessions) Place() string {
	l := s.a.lane()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.place
}

// Keep implements namespaces.Sessions.
func (s sessions) Keep(id string, changed bool) {
	h := &s.a.holdings
	h.mu.Lock()
	one := h.find(s.a, id, true)
	one.changed = one.changed || changed
	again := one.queued || one.over
	if !again {
		one.queued = true
		one.waiting++
	}
	h.mu.Unlock()
	if !again {
		s.a.publish(&action{session: one})
	}
}

// Drop implements namespaces.Sessions.
func (s sessions) Drop(id string, ended bool) {
	h := &s.a.holdings
	h.mu.Lock()
	one := h.held[id]
	if one == nil || !ended || !one.stored && !one.queued {
		delete(h.held, id)
		h.mu.Unlock()
		return
	}
	one.over = true
	again := one.queued
	if !again {
		one.queued = true
		one.waiting++
	}
	h.mu.Unlock()
	if !again {
		s.a.publish(&action{session: one})
	}
}

// storedSession is a session as Redis has it.
type storedSession struct {
	namespaces.Session
	Version   int               `json:"v"`
	Namespace string            `json:"namespace"`
	Stored    int64             `json:"stored"`           // milliseconds since 1970
	Holder    string            `json:"holder,omitempty"` // the node that stores it
	Been      []namespaces.Been `json:"been,omitempty"`   // earlier ones
}

// dated notes the entry of the stream up to which everything has been sent to a session. Events that the node sent
// while it was alone do not count.
func (l *lane) dated(s namespaces.Session) namespaces.Session {
	if core.IsPlace(s.Last) {
		s.Place = core.Further(s.Place, s.Last)
		return s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Last != "" && (l.busy || !l.core.IsSteady()) {
		s.Last, s.Place = "", ""
	}
	return s
}

func (a *adapter) sessionKey(id string) string { return a.slotKey("session", id) }

// sealOf signs a record.
func (a *adapter) sealOf(id string, text []byte) string {
	if !a.node.signer.on() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(a.node.signer.sign("session "+a.streamName(), a.name, id, string(text)))
}

// Find implements namespaces.Sessions.
func (s sessions) Find(ctx context.Context, id string) (*namespaces.Session, error) {
	owner, text, seal, err := s.a.lookUp(ctx, id)
	if errors.Is(err, errAway) {
		return nil, nil // it is not known which sessions the others have
	}
	if err != nil || owner == "" || owner == over || s.a.holds(id, owner) {
		return nil, err
	}
	return s.a.readRecord(id, owner, text, seal), nil
}

// lookUp asks Redis for a session, within Settings.Patience. An invalid record counts as none.
func (a *adapter) lookUp(ctx context.Context, id string) (owner, text, seal string, err error) {
	var got []rueidis.RedisMessage
	err = a.patiently(ctx, func(ctx context.Context, client rueidis.Client) (err error) {
		got, err = client.Do(ctx, client.B().Hmget().Key(a.sessionKey(id)).Field("o", "d", "s").Build()).ToArray()
		if answer, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(answer.Error(), "WRONGTYPE") {
			a.node.refused(errMessage)
			return nil
		}
		return err
	})
	if err != nil || len(got) != 3 {
		return "", "", "", err
	}
	owner, _ = got[0].ToString()
	text, _ = got[1].ToString()
	seal, _ = got[2].ToString()
	return owner, text, seal, nil
}

// errAway is returned when Redis has not answered within cluster.patience, and by a node that is alone.
var errAway = errors.New("cluster: redis does not answer")

// patiently asks Redis until it answers.
func (a *adapter) patiently(ctx context.Context, ask func(context.Context, rueidis.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, a.node.cfg.Patience)
	defer cancel()
	for {
		client, err := a.redisFor()
		if client == nil && err == nil {
			return errAway
		}
		if err == nil {
			err = a.node.cfg.Note(client, ask(limited, client))
		}
		if err == nil {
			return nil
		}
		if !wait(limited, min(reconnect, a.node.cfg.Patience/4)) {
			return cmp.Or(ctx.Err(), errAway)
		}
	}
}

// redisFor returns the client for looking sessions up; nil while the node is alone.
func (a *adapter) redisFor() (rueidis.Client, error) {
	l := a.lane()
	l.mu.Lock()
	alone := l.core.IsAlone()
	l.mu.Unlock()
	if alone {
		return nil, nil
	}
	return a.node.cfg.Client()
}

// Owns implements namespaces.Sessions.
func (s sessions) Owns(ctx context.Context, id string) (bool, error) {
	owner, _, _, err := s.a.lookUp(ctx, id)
	switch {
	case errors.Is(err, errAway):
		return true, nil
	case err != nil:
		return false, err
	case owner == "":
		return true, nil // Redis has lost it, or has not got it yet
	}
	if !s.a.holds(id, owner) {
		return false, nil
	}
	s.a.holdings.returned(s.a, id)
	return true, nil
}

// holds reports whether an owner is this node, and the session is still held here or about to end.
func (a *adapter) holds(id, owner string) bool {
	a.holdings.mu.Lock()
	defer a.holdings.mu.Unlock()
	one := a.holdings.held[id]
	return one != nil && one.owner == owner
}

// readRecord reads the record of a session, or returns nil when it is invalid: it is data from outside.
func (a *adapter) readRecord(id, owner, text, seal string) *namespaces.Session {
	if len(owner) > 2*maxUID || len(text) > maxSession {
		a.node.refused(errMessage)
		return nil
	}
	if a.node.signer.on() && !hmac.Equal([]byte(seal), []byte(a.sealOf(id, []byte(text)))) {
		a.node.refused(errUnsigned)
		return nil
	}
	if text == "" {
		return nil // only its owner can continue it
	}
	var r storedSession
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Version > formVersion || r.Namespace != a.name || r.ID != id || !r.hasBeen() {
		a.node.refused(errMessage)
		return nil
	}
	age := a.node.cfg.Now().Sub(time.UnixMilli(r.Stored))
	if age > 3*a.local.Recovery()+clockSlack || age < -clockSlack {
		return nil
	}
	r.Owner, r.Session.Been = owner, append(r.Been, namespaces.Been{Node: r.Holder})
	return &r.Session
}

// Take implements namespaces.Sessions.
func (s sessions) Take(ctx context.Context, found *namespaces.Session) (*namespaces.Session, error) {
	a := s.a
	a.holdings.mu.Lock()
	owner := a.holdings.ownerLocked(a)
	a.holdings.mu.Unlock()
	taken := &action{kind: typeTaken}
	taken.operation.Rooms = []string{found.ID}
	args := append([]string{
		found.Owner, owner, millis(2 * a.local.Recovery()), "", "", "", "", strconv.Itoa(a.node.cfg.MaxLen),
	}, a.inscription(taken)...)
	var got []rueidis.RedisMessage
	err := a.patiently(ctx, func(ctx context.Context, client rueidis.Client) (err error) {
		got, err = takeScript.Exec(ctx, client, []string{a.sessionKey(found.ID), a.streamName()}, args).ToArray()
		return err
	})
	if errors.Is(err, errAway) || err == nil && len(got) != 3 {
		return nil, namespaces.ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("take a session over: %w", err)
	}
	text, err1 := got[0].ToString()
	seal, err2 := got[1].ToString()
	entry, err3 := got[2].ToString()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("take a session over: %w", err)
	}
	session := a.readRecord(found.ID, owner, text, seal)
	if session == nil {
		return nil, namespaces.ErrNoSession
	}
	session.Former, session.Taken = found.Owner, entry
	session.Been = beenAt(session)
	return session, a.readUpTo(ctx, entry)
}

// readUpTo waits until this node has read the stream up to an entry, within Settings.Patience.
func (a *adapter) readUpTo(ctx context.Context, entry string) error {
	limited, cancel := context.WithTimeout(ctx, a.node.cfg.Patience)
	defer cancel()
	err := a.lane().reached(limited, entry)
	if err != nil && ctx.Err() == nil {
		return namespaces.ErrNoSession
	}
	return err
}

// taken ends this node's socket of a session that another node has taken over.
func (a *adapter) taken(act *action) {
	if act.uid == a.node.uid || len(act.operation.Rooms) != 1 {
		return
	}
	id := act.operation.Rooms[0]
	a.holdings.mu.Lock()
	delete(a.holdings.held, id)
	a.holdings.mu.Unlock()
	if a.recovers() {
		a.local.Moved(id)
	}
}
