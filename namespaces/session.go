package namespaces

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// ErrNoSession is what [Sessions.Take] returns when there is no such session any more, or somebody else has taken it over.
var ErrNoSession = errors.New("namespaces: no such session")

// SessionKeeper is an [Adapter] of several nodes that keeps sessions for all of them.
type SessionKeeper interface {
	// Sessions returns the store of the sessions, or nil when there is none. It is called once, when the adapter has been
	// made.
	Sessions() Sessions
}

// Sessions keeps the sessions of a namespace where all nodes find them, so that a client can come back to any: see
// [Recovery]. A session has one owner, the node that has its socket. Its methods are safe for concurrent use. Place,
// Keep and Drop do not wait; Find, Owns and Take wait for the store of the sessions, and fail when it cannot be
// reached.
type Sessions interface {
	// Place names the last operation that has been carried out on this node, see [Local.BroadcastAt]. It may be called
	// with rooms and sockets locked.
	Place() string
	// Keep stores a session of this node as [Local.Session] describes it. Packets that the adapter is asked to send to
	// sockets after the call go out when that is done. Without a change only the place of the session counts.
	Keep(id string, changed bool)
	// Drop forgets a session of this node. One that has ended is gone on all nodes; otherwise another node may go on with it.
	Drop(id string, ended bool)
	// Find returns a session, whichever node has it, or nil when there is none. The caller owns the result.
	Find(ctx context.Context, id string) (*Session, error)
	// Owns reports whether a session of this node still belongs to it, and to no other node.
	Owns(ctx context.Context, id string) (bool, error)
	// Take makes this node the owner of a session that it has found, in one step, and returns the session as it is now. It
	// returns when everything that the former owner may have sent has come to this node. The former owner ends its socket
	// of the session. Take fails with ErrNoSession.
	Take(ctx context.Context, found *Session) (*Session, error)
	// Resume calls enter between two operations, with the events that were sent to a session behind an offset, in their
	// order, and with the rooms that it is in by now; ok is false when these are not known. Resume returns when enter has
	// returned.
	Resume(session *Session, offset string, enter func(missed []packet.Packet, ok bool))
}

// Session is what all nodes know of a socket that may be recovered.
type Session struct {
	ID       string             `json:"id"`
	Key      string             `json:"key"` // what the secret of the private id is held against
	Identity handshake.Identity `json:"identity"`
	Data     json.RawMessage    `json:"data,omitempty"`
	Stays    []Stay             `json:"stays,omitempty"`
	Floor    string             `json:"floor,omitempty"` // stays that ended up to this place are not in Stays

	// A client that has been sent everything up to the offset Base has been sent everything up to the place BaseAt. The
	// same holds for Last and Place.
	Base   string `json:"base"`
	BaseAt string `json:"baseAt"`
	Last   string `json:"last"`
	Place  string `json:"place"`

	// Of who keeps it.
	Owner  string `json:"-"`
	Former string `json:"-"` // the owner that the session was taken from
	Taken  string `json:"-"` // the place of that
	Been   []Been `json:"-"` // where it was before, the latest last
}

// Been is a node at which a session was, or may have been, up to a place.
type Been struct {
	Node  string `json:"node"`
	Until string `json:"until"`
}

// Stay is a membership of a room. Events for the room count from after the place From and, when the stay is over, up to
// the place To or the offset Sent, whichever is later.
type Stay struct {
	Room string `json:"room"`
	From string `json:"from"`
	Left bool   `json:"left,omitempty"`
	To   string `json:"to,omitempty"`
	Sent string `json:"sent,omitempty"`
}

// Named reports whether a name means the session as a room: its id, or that of its user.
func (s *Session) Named(room string) bool {
	return room == s.ID || strings.HasPrefix(room, userPrefix) && s.isUser(room[len(userPrefix):])
}

// isUser reports whether the session's user is the one of a name.
func (s *Session) isUser(name string) bool {
	subject, issuer, one := strings.Cut(name, "\x00")
	return s.Identity.Subject != "" && subject == s.Identity.Subject && (!one || issuer == s.Identity.Issuer)
}

// Join notes that the session is in a room from a place on.
func (s *Session) Join(room, place string) {
	if s.current(room) < 0 {
		s.Stays = append(s.Stays, Stay{Room: room, From: place})
	}
}

// Leave notes that the session is in a room up to a place.
func (s *Session) Leave(room, place string) {
	if i := s.current(room); i >= 0 {
		s.Stays[i].Left, s.Stays[i].To = true, place
	}
}

func (s *Session) current(room string) int {
	return slices.IndexFunc(s.Stays, func(stay Stay) bool { return stay.Room == room && !stay.Left })
}

// Rooms returns the rooms that the session is in.
func (s *Session) Rooms() []string {
	var rooms []string
	for _, stay := range s.Stays {
		if !stay.Left {
			rooms = append(rooms, stay.Room)
		}
	}
	return rooms
}

// journal is what a socket remembers for other nodes. It is guarded by the socket's mu.
type journal struct {
	since   map[string]string // the rooms that the socket is in, and from which place on
	former  []Stay            // those that it was in
	floor   string
	aged    string // the place at the last ageing
	settled int    // how many of former were there then
	base    string
	baseAt  string
	data    json.RawMessage // what SetData has set
	set     bool            // it was set here
	broken  bool            // it cannot be written
	greeted bool            // the connect handlers have run: their effects are part of the session
}

// maxFormer is how many rooms that a session has left are remembered, in order to know what was sent to it while it was
// in them.
const maxFormer = 256

func (j *journal) join(room, place string) {
	if _, ok := j.since[room]; !ok {
		if j.since == nil {
			j.since = make(map[string]string)
		}
		j.since[room] = place
	}
}

func (j *journal) leave(room, place, sent string) {
	from, ok := j.since[room]
	if !ok {
		return
	}
	delete(j.since, room)
	j.former = append(j.former, Stay{Room: room, From: from, Left: true, To: place, Sent: sent})
	if len(j.former) > maxFormer {
		j.forget(1, place)
	}
}

// forget drops the oldest rooms that the session has left.
func (j *journal) forget(n int, place string) {
	j.former = slices.Delete(j.former, 0, n)
	j.settled = max(0, j.settled-n)
	j.floor = place
}

// setData takes over what SetData has set during the admission.
func (j *journal) setData(from *journal) { j.data, j.set, j.broken = from.data, from.set, from.broken }

// age drops the rooms that had already been left at the last call.
func (j *journal) age(place string) {
	if j.settled > 0 {
		j.forget(j.settled, j.aged)
	}
	j.settled, j.aged = len(j.former), place
}

// journalOf makes the journal of a session that was taken over.
func journalOf(s *Session) *journal {
	j := &journal{floor: s.Floor, base: s.Base, baseAt: s.BaseAt, data: s.Data, greeted: true}
	for _, stay := range s.Stays {
		if stay.Left {
			j.former = append(j.former, stay)
		} else {
			j.join(stay.Room, stay.From)
		}
	}
	return j
}

// session describes a socket of this node; false when there is none. Without a Key no other node can go on with it.
func (s *Socket) session() (out Session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journalLocked()
	if s.phase != open && s.phase != parked || j == nil {
		return Session{}, false
	}
	if j.broken {
		return Session{}, true
	}
	out = Session{
		ID: s.id, Key: keyOf(s.kept.text()), Identity: s.Identity(), Data: j.data, Stays: slices.Clone(j.former), Floor: j.floor,
		Base: j.base, BaseAt: j.baseAt, Last: s.kept.last(), Place: s.ns.sessions.Place(),
	}
	for room, from := range j.since {
		out.Stays = append(out.Stays, Stay{Room: room, From: from})
	}
	return out, true
}

// keyOf returns the digest of a secret, which is kept in place of it.
func keyOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// opens reports whether a secret that somebody brings is the session's.
func (s *Session) opens(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(s.Key), []byte(keyOf(secret))) == 1
}

// maxBrought is how many rooms a session may bring from another node, where MaxRooms may have been higher when it joined them.
const maxBrought = 1 << 14

// sound reports whether a stored session is plausible for this namespace: it comes from outside the process.
func (ns *Namespace) sound(s *Session) bool {
	cfg := ns.hub.limits()
	most := max(cfg.MaxRooms, maxBrought)
	if len(s.ID) != idLength || len(s.Stays) > most+maxFormer+1 {
		return false
	}
	rooms := s.Rooms()
	for _, stay := range s.Stays {
		if stay.Room == "" || len(stay.Room) > cfg.MaxRoomName || strings.HasPrefix(stay.Room, userPrefix) {
			return false
		}
	}
	slices.Sort(rooms)
	return len(rooms) <= most && len(slices.Compact(rooms)) == len(rooms)
}

// changed stores the session of a socket anew, if sessions are kept for other nodes. No lock is held.
func (s *Socket) changed() { s.keepSession(true) }

func (s *Socket) keepSession(change bool) {
	if s.ns.sessions == nil {
		return
	}
	s.mu.Lock()
	j := s.journalLocked()
	kept := (s.phase == open || s.phase == parked) && j != nil && j.greeted
	s.mu.Unlock()
	if kept {
		s.ns.sessions.Keep(s.id, change)
	}
}

// greeted lets the session be stored from now on. A client that comes back to another node before that is a new one
// there.
func (s *Socket) greeted() {
	if s.ns.sessions == nil {
		return
	}
	s.mu.Lock()
	j := s.journalLocked()
	first := j != nil && !j.greeted
	if first {
		j.greeted = true
	}
	s.mu.Unlock()
	if first {
		s.changed()
	}
}

// dropSession forgets the session of a socket that has ended, unless another one on this node goes on with it.
func (s *Socket) dropSession() {
	if x := s.exit; s.ns.sessions != nil && x.heir == nil && x.reason != ReasonMoved {
		s.ns.sessions.Drop(s.id, x.reason != ReasonShutdown)
	}
}

// journalLocked is the journal of a socket, or nil.
func (s *Socket) journalLocked() *journal {
	if s.kept == nil {
		return nil
	}
	return s.kept.journal
}

// claimElsewhere looks for the session of an admission at the other nodes.
func (s *Socket) claimElsewhere(ctx context.Context, c *claim) (*Session, RecoveryFailure, error) {
	found, err := s.ns.sessions.Find(ctx, c.pid[:idLength])
	if err != nil {
		return nil, "", unreachable(err)
	}
	id := s.Identity()
	switch {
	case found == nil || !s.ns.sound(found) || !found.opens(c.pid[idLength:]) || found.Identity.Expired(time.Now()):
		return nil, FailureUnknown, nil
	case !sameUser(found.Identity, id):
		return nil, FailureUser, nil
	}
	if isGuest(found.Identity) { // nobody has signed the other fields of a record
		id.Subject, id.Name = found.Identity.Subject, found.Identity.Name
		found.Identity = id
	}
	return found, "", nil
}

// unreachable refuses an admission while the store of the sessions cannot be reached.
func unreachable(err error) error {
	return &handshake.Refusal{Code: handshake.CodeUnavailable, Message: "The session cannot be looked up now; try again.", Cause: err}
}

// takeFromElsewhere makes the session that an admission is about to go on with this node's.
func (s *Socket) takeFromElsewhere(ctx context.Context) error {
	c := s.claim()
	if c == nil || c.remote == nil {
		return nil
	}
	if s.ns.recheck(c.remote.Identity) != nil {
		return s.forsake()
	}
	taken, err := s.ns.sessions.Take(ctx, c.remote)
	switch {
	case errors.Is(err, ErrNoSession) || err == nil && !s.ns.sound(taken):
		return s.forsake()
	case err != nil:
		return unreachable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.remote = taken
	if j := s.journalLocked(); j != nil && !j.set {
		s.setCarriedLocked(taken.Data)
	}
	return nil
}

// setCarriedLocked gives a socket the data that another node has stored.
func (s *Socket) setCarriedLocked(data json.RawMessage) {
	var v any
	if data != nil {
		v = carriedData(data)
	}
	s.setDataLocked(v)
}

// setForAll is SetData where the value goes with the session.
func (s *Socket) setForAll(v any) {
	text, ok := carry(v)
	s.mu.Lock()
	s.setDataLocked(v)
	if j := s.journalLocked(); j != nil {
		j.data, j.set, j.broken = text, true, !ok
	}
	s.mu.Unlock()
	s.changed()
}

// noteJoinedLocked notes a room for other nodes.
func (s *Socket) noteJoinedLocked(room, place string) {
	if j := s.journalLocked(); j != nil {
		j.join(room, place)
	}
}

// begunAtLocked is the place at which a socket enters. A client that has been sent only what the
// admission emitted needs whatever comes after that place.
func (s *Socket) begunAtLocked() (place string) {
	j := s.journalLocked()
	if j == nil {
		return ""
	}
	place = s.ns.sessions.Place()
	if !s.kept.recovered {
		j.base, j.baseAt = s.kept.last(), place
	}
	return place
}

// resumeElsewhere admits a socket that goes on with a session of another node.
func (s *Socket) resumeElsewhere(c *claim) (rooms []string, entered bool) {
	s.ns.sessions.Resume(c.remote, c.offset, func(missed []packet.Packet, ok bool) {
		if c.missed, ok = s.fits(missed, ok); !ok || !s.ns.sound(c.remote) {
			s.mu.Lock()
			c.lost, c.failure = true, FailureOffset
			s.mu.Unlock()
			return
		}
		rooms, entered = s.enterRooms()
	})
	if !entered {
		s.ns.sessions.Drop(c.remote.ID, c.lost) // otherwise the client has gone, and may come back
	}
	return rooms, entered
}

// fits encodes what a client has missed, if that is not more than is kept of a socket on one node.
func (s *Socket) fits(missed []packet.Packet, ok bool) ([]*packet.Frame, bool) {
	limits, bytes := &s.ns.hub.cfg.Recovery, 0
	if !ok || len(missed) > limits.Messages {
		return nil, false
	}
	frames := make([]*packet.Frame, len(missed))
	for i := range missed {
		frames[i] = packet.Encode(&missed[i], s.wire)
		bytes += int(weight(frames[i]))
	}
	return frames, bytes <= limits.Bytes
}

// inheritLocked gives a socket what the session of another node has, and returns what its client has missed.
func (s *Socket) inheritLocked(c *claim) []*packet.Frame {
	was := s.kept.journal
	s.kept.journal = journalOf(c.remote)
	if was.set {
		s.kept.journal.setData(was)
	}
	s.kept.back = &comeback{was: c.remote.Identity, moved: true}
	for _, f := range c.missed {
		s.kept.add(f, &s.ns.hub.cfg.Recovery)
	}
	return c.missed
}

// moveAway ends a socket whose session another node has taken over. It sends the client nothing, as that is connected
// there.
func (s *Socket) moveAway() {
	if s.Connected() {
		s.client.supersede()
	}
	s.end(ReasonMoved, cutOff)
}
