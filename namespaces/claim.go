package namespaces

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// claim is an admission's request to go on with an earlier session of its client, and the outcome.
type claim struct {
	pid, offset string
	ownID       string // the admission's
	old         *Socket
	stale       *Socket // a session of the same user that cannot be recovered any more
	failure     RecoveryFailure
	lost        bool // the session ended before it could be taken over; no other is tried

	remote *Session        // the session, when it is another node's
	missed []*packet.Frame // what its client has missed
}

// claimOf reads the private id and the offset, which stand beside the credential.
func claimOf(auth json.RawMessage) *claim {
	var in struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if len(auth) == 0 || json.Unmarshal(auth, &in) != nil || in.PID == "" || len(in.Offset) > maxOffset {
		return new(claim)
	}
	return &claim{pid: in.PID, offset: in.Offset}
}

// resume looks for the session of a client that has been identified. The admission sees the socket with the id and the data of
// that session already; the session is taken over when the admission has let the client in.
func (s *Socket) resume(ctx context.Context) error {
	if !s.ns.recovers() {
		return nil
	}
	t, err := newTail(s.ns.hub.cfg.Random)
	if err != nil {
		return err
	}
	s.mu.Lock()
	p := s.admission
	s.mu.Unlock()
	if p == nil {
		return ErrClosed
	}
	if p.claim == nil {
		p.claim = claimOf(p.request.Auth)
		p.claim.ownID = s.id
	}
	c := p.claim
	t.base = c.offset // a client that receives nothing at all sends the same offset again
	if s.ns.sessions != nil {
		t.journal = new(journal)
	}
	old, remote, err := s.sessionOf(ctx, c)
	if err != nil {
		return err
	}
	s.assume(c, old, t)
	s.assumeElsewhere(c, remote)
	return nil
}

// sessionOf finds the session that a claim names: old on this node, or remote on another one.
func (s *Socket) sessionOf(ctx context.Context, c *claim) (old *Socket, remote *Session, err error) {
	if c.lost {
		return nil, nil, nil
	}
	old, c.stale, c.failure = s.ns.session(c, s)
	if s.ns.sessions == nil || old == nil && c.failure != FailureUnknown || len(c.pid) != idLength+secretLength {
		return old, nil, nil
	}
	if old != nil {
		own, err := s.ns.sessions.Owns(ctx, old.id)
		if err != nil {
			return nil, nil, unreachable(err)
		}
		if own {
			return old, nil, nil
		}
	}
	remote, c.failure, err = s.claimElsewhere(ctx, c)
	return nil, remote, err
}

// assume gives an admission the id, the data and, for a guest, the name of a session. Without a session the admission
// gets its own again.
func (s *Socket) assume(c *claim, old *Socket, t *tail) {
	var data any
	id := c.ownID
	if old != nil {
		old.mu.Lock()
		data, id = copied(old.data), old.id
		old.mu.Unlock()
		if was := old.Identity(); isGuest(was) {
			s.setIdentity(was)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old != nil || c.old != nil || c.remote != nil {
		s.data = data
	}
	t.recovered = old != nil
	c.old, s.id, s.kept = old, id, t
}

// assumeElsewhere is assume for a session of another node.
func (s *Socket) assumeElsewhere(c *claim, remote *Session) {
	if c.remote = remote; remote == nil {
		return
	}
	if isGuest(remote.Identity) {
		s.setIdentity(remote.Identity)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.kept.recovered = remote.ID, true
	_, _ = base64.RawURLEncoding.Decode(s.kept.secret[:], []byte(c.pid[idLength:])) // its hash was right
	s.setCarriedLocked(remote.Data)
}

// copied copies the data of a socket for another socket, whose mu then guards it.
func copied(data any) any {
	if all, ok := data.(*keyed); ok {
		return &keyed{data: all.data, values: maps.Clone(all.values)}
	}
	return data
}

// session returns the session that a claim names, if it can be recovered for the admission s. stale is a session that
// cannot.
func (ns *Namespace) session(c *claim, s *Socket) (old, stale *Socket, failure RecoveryFailure) {
	if c.pid == "" {
		return nil, nil, ""
	}
	if len(c.pid) != idLength+secretLength {
		return nil, nil, FailureUnknown
	}
	old = ns.sockets.find(c.pid[:idLength])
	if old == nil || old.client == s.client {
		return nil, nil, FailureUnknown
	}
	id := old.Identity()
	old.mu.Lock()
	defer old.mu.Unlock()
	switch {
	case old.phase != open && old.phase != parked, !old.kept.proves(c.pid[idLength:]):
		return nil, nil, FailureUnknown
	case !sameUser(id, s.Identity()):
		return nil, nil, FailureUser
	case !old.kept.reaches(c.offset), old.wire != s.wire:
		return nil, old, FailureOffset
	}
	return old, nil, ""
}

// sameUser reports whether two identities are one user's. A guest has a new name on each connection, so for guests the
// private id alone decides.
func sameUser(a, b handshake.Identity) bool {
	return a.User() == b.User() || isGuest(a) && isGuest(b)
}

func isGuest(id handshake.Identity) bool { return id.Method == handshake.MethodAnonymous }

// recheckOld asks whether the identity of the session that is about to be recovered is still good: it may have been
// revoked before the user signed in anew.
func (s *Socket) recheckOld() error {
	old := s.claimed()
	if old == nil || s.ns.recheck(old.Identity()) == nil {
		return nil
	}
	old.end(ReasonRevoked, byServer)
	return s.forsake()
}

// claim returns the claim of an admission; nil while recovery is off.
func (s *Socket) claim() *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admission == nil {
		return nil
	}
	return s.admission.claim
}

// report tells hooks and log of a client that came back and was admitted as a new one, and ends the session that it cannot
// go on with.
func (c *claim) report(s *Socket) {
	if c == nil || c.failure == "" {
		return
	}
	s.debug("connection state not recovered", slog.String("cause", string(c.failure)))
	if c.stale != nil {
		if c.stale.Connected() {
			c.stale.client.supersede()
		}
		c.stale.lapse()
	}
	s.ns.hooks.recoveryFailed(s, c.failure)
}

// claimed returns the session that an admission is about to take over, or nil.
func (s *Socket) claimed() *Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admission.claimedLocked()
}

// claimedLocked is claimed with the socket's mu held. The admission may be nil.
func (p *admission) claimedLocked() *Socket {
	if p == nil || p.claim == nil {
		return nil
	}
	return p.claim.old
}

// wantedLocked are the rooms that an admission is to be in: those that the admission joined, then those of its session.
func (s *Socket) wantedLocked() []string {
	p := s.admission
	rooms := append(make([]string, 0, len(p.rooms)), p.rooms...)
	old := p.claimedLocked()
	var more []string
	switch {
	case old != nil:
		more = old.Rooms()
	case p.claim != nil && p.claim.remote != nil:
		more = p.claim.remote.Rooms()
	}
	joined := len(rooms)
	for _, name := range more {
		if !slices.Contains(rooms[:joined], name) {
			rooms = append(rooms, name)
		}
	}
	return rooms
}

// supersede ends a connection whose client has already come back on another one, and sends nothing on it. Its sockets are
// parked, for their own returns.
func (c *Client) supersede() {
	c.finish(ReasonTransportClose, lost)
	c.conn.Close(closeNormal, "the client has come anew")
}

// takeOverLocked moves the state of the claimed session, if any, to the socket of an admission, and returns the frames
// that its client has missed. Rooms, those of both, are locked, and s.mu is held. It returns false when the session has
// ended meanwhile, or joined a room that is not among them.
func (s *Socket) takeOverLocked(rooms []*room) (missed []*packet.Frame, ok bool) {
	old := s.admission.claimedLocked()
	if c := s.admission.claim; c != nil && c.remote != nil {
		return s.inheritLocked(c), true
	}
	if old == nil {
		return nil, true
	}
	offset := s.admission.claim.offset
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.phase != parked || !old.kept.reaches(offset) {
		s.admission.claim.lost, s.admission.claim.failure = true, FailureUnknown
		return nil, false
	}
	for _, m := range old.rooms.all() { // a handler of it may be at work
		if _, locked := slices.BinarySearchFunc(rooms, m.room, bySeq); !locked {
			return nil, false
		}
	}
	missed = old.kept.since(offset)
	if was := s.kept.journal; was != nil && was.set {
		old.kept.journal.setData(was)
	}
	s.kept, old.kept = old.kept, nil
	s.kept.recovered = true
	s.kept.back = &comeback{was: old.Identity()}
	for _, name := range s.admission.rooms {
		if old.rooms.find(name) == nil {
			s.kept.back.joined = append(s.kept.back.joined, name)
		}
	}
	for _, m := range old.rooms.all() {
		m.room.takeLocked(m)
	}
	s.ns.everyone.takeLocked(&old.place)
	s.ns.removeUser(old)
	old.endLocked(ReasonRecovered).heir = s
	return missed, true
}

// comeback describes how a recovered socket differs from the one before it.
type comeback struct {
	was    handshake.Identity // before
	joined []string           // rooms that it was not in
	moved  bool               // it comes from another node: for the hooks it is a new socket
}

// takeBack returns the comeback of a recovered socket, once.
func (s *Socket) takeBack() (back *comeback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		back, s.kept.back = s.kept.back, nil
	}
	return back
}

var errForsaken = errors.New("the session has ended meanwhile")

// forsake gives up the session that an admission was to take over.
func (s *Socket) forsake() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admission == nil {
		return ErrClosed
	}
	s.admission.claim.lost, s.admission.claim.failure = true, FailureUnknown
	return errForsaken
}

// forsaken reports whether the session of an admission ended before it could be taken over. The admission is then examined
// once more, as that of a new client.
func (s *Socket) forsaken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.admission
	if p == nil || p.claimedLocked() == nil && (p.claim == nil || p.claim.remote == nil) || !p.claim.lost {
		return false
	}
	p.rooms, p.frames = nil, nil // those of the admission that would have gone on with the session
	return true
}
