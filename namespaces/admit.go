package namespaces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// admission is the state of a socket until it is admitted or refused.
type admission struct {
	request *handshake.Request
	rooms   []string        // joined so far, distinct
	frames  []*packet.Frame // emitted so far
	cancel  func()          // ends the admission, or its time on hold; nil while it waits for its turn
	tries   int             // how often it has been refused and put on hold
	until   time.Time       // when it is not held any longer; set after the first try
	kept    int             // its bytes that count in the connection's budget
	claim   *claim          // claim to an earlier session; nil while recovery is off, and until the gate has answered
}

// stop ends an admission. It does nothing when there is none.
func (p *admission) stop(conn Conn) {
	switch {
	case p == nil:
		return
	case p.cancel != nil:
		p.cancel()
	}
	if p.kept > 0 {
		conn.Hold(-p.kept)
	}
}

// connect begins the admission to a namespace. A client that disconnects and connects again before it has seen the
// reply sends a second CONNECT, and no DISCONNECT. The newer CONNECT counts, with its credentials. A CONNECT after the
// socket's first packet is a fault, which closes the connection as in Node.
func (c *Client) connect(p *packet.Packet) {
	ns := c.hub.enter(p.Namespace)
	if ns == nil {
		c.refuseUnknown(p.Namespace)
		return
	}
	id, err := newID(c.hub.cfg.Random)
	if err != nil {
		ns.letGo()
		c.hub.log.Error("cannot make a socket id", slog.Any("error", err))
		c.shut(closeInternal, "internal error", ReasonForcedServer)
		return
	}
	request := requestOf(c.conn, ns.name)
	request.Auth = p.Payload
	s := &Socket{id: id, ns: ns, client: c, conn: c.conn, wire: c.wire, running: true, admission: &admission{request: request}}
	old, placed, err := c.place(s)
	if old != nil {
		c.leave(old)
		_, placed, err = c.place(s)
	}
	if !placed {
		ns.letGo()
	}
	switch {
	case errors.Is(err, errTwice):
		c.outOfOrder()
	case err != nil:
		c.shut(closePolicy, err.Error(), ReasonForcedServer)
	}
}

var (
	errTwice   = errors.New("the client is in the namespace")
	errRefused = errors.New("too many refused connects")
)

// place gives an admission its place in the client, or refuses it. When it returns a socket, that one must end first.
// An error closes the connection.
func (c *Client) place(s *Socket) (old *Socket, placed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, nil
	}
	switch old := c.findLocked(s.ns.name); {
	case old == nil:
	case old.over():
		old.left = true // the server is ending it, and the client knows already
	case old.heard:
		return nil, false, errTwice
	default:
		return old, false, nil
	}
	if wait := c.countConnectLocked(); wait > 0 {
		return nil, false, c.rejectLocked(s.ns.name, refusalOf(verdict{
			Code: handshake.CodeRateLimited, Message: "Too many connects; wait, then connect again.", RetryAfter: wait,
		}))
	}
	if c.presentLocked() >= c.hub.limits().MaxNamespaces {
		return nil, false, c.rejectLocked(s.ns.name, refusalOf(verdict{Code: handshake.CodeTooManyConnections, Message: "Too many namespaces."}))
	}
	c.departed = slices.DeleteFunc(c.departed, func(name string) bool { return name == s.ns.name })
	c.sockets = append(c.sockets, s)
	s.waiting = true
	c.advanceLocked()
	return nil, true, nil
}

// presentLocked is the number of namespaces that the client is in or asks to enter.
func (c *Client) presentLocked() int {
	n := 0
	for _, s := range c.sockets {
		if !s.left {
			n++
		}
	}
	return n
}

// advanceLocked starts waiting admissions: a few run at once, and each after the end of the socket that the client had
// in that namespace before.
func (c *Client) advanceLocked() {
	for _, s := range c.sockets {
		if s.waiting && int(c.admissions) < c.hub.limits().MaxAdmissions && !c.leavingLocked(s.ns) {
			c.startLocked(s)
		}
	}
}

// leavingLocked reports whether a socket that the client has left is still on its way out of a namespace.
func (c *Client) leavingLocked(ns *Namespace) bool {
	return slices.ContainsFunc(c.sockets, func(s *Socket) bool { return s.left && s.ns == ns })
}

// countConnectLocked counts a CONNECT and returns how long the client has to wait when there were too many in this
// minute.
func (c *Client) countConnectLocked() (wait time.Duration) {
	now := time.Since(c.hub.registry.epoch)
	if minute := uint16(now / time.Minute); minute != c.minute { // it may wrap, in 45 days
		c.minute, c.connects = minute, 0
	}
	if int(c.connects) >= c.hub.limits().MaxConnects {
		return time.Minute - now%time.Minute
	}
	c.connects++
	return 0
}

// startLocked runs an admission.
func (c *Client) startLocked(s *Socket) {
	s.waiting = false
	c.admissions++
	c.hub.tasks.Go(s.runAdmission)
}

// admissionDone counts an admission that has its answer, and starts the next one that waits.
func (c *Client) admissionDone(admitted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admissions--
	if admitted {
		c.refusals = 0
	}
	c.advanceLocked()
}

func (s *Socket) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == ended
}

// runAdmission decides about a socket, and goes on as the goroutine of its queue.
func (s *Socket) runAdmission() {
	old, admitted, err := s.decide()
	for s.forsaken() {
		old, admitted, err = s.decide()
	}
	if err != nil && !s.hold(err) {
		s.refuse(err)
	}
	s.client.admissionDone(admitted)
	if !admitted {
		return
	}
	if old != nil {
		old.retire() // and then has the queue of s started
		return
	}
	if s.ns.hub.turns.enter(s) {
		s.drain()
	}
}

// decide examines an admission and admits it unless it is refused. It returns the socket that the new one has taken over from,
// which is to be retired, or nil.
func (s *Socket) decide() (old *Socket, admitted bool, err error) {
	if err := s.examine(); err != nil {
		return nil, false, err
	}
	old, admitted = s.admit()
	return old, admitted, nil
}

// examine runs the gate, then the admission steps.
func (s *Socket) examine() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.ns.hub.caught(p, "admission", s.fields()...)
		}
	}()
	// The context is the admission's own: the socket would have to keep a context made from its own.
	ctx, cancel := context.WithTimeout(valuesOf(s.conn), s.ns.hub.limits().AdmitTimeout)
	defer cancel()
	s.mu.Lock()
	p := s.admission
	if p != nil {
		p.cancel = cancel
	}
	s.mu.Unlock()
	if p == nil {
		return ErrClosed
	}
	ctx, done := s.ns.hooks.admission(ctx, s)
	defer func() { done(err) }()
	id, err := s.ns.gate.Check(ctx, p.request)
	if err != nil {
		return fmt.Errorf("identify client: %w", err)
	}
	if err := s.ns.hub.recheck(id); err != nil {
		return fmt.Errorf("recheck identity: %w", err)
	}
	if err := s.ns.prepare(ctx); err != nil {
		return err
	}
	s.setIdentity(id)
	s.owner = s.ns.hub.turns.ownerKey(id, s.conn)
	if err := s.resume(ctx); err != nil {
		return err
	}
	for _, step := range s.ns.admission {
		if err := step(ctx, s); err != nil {
			return fmt.Errorf("admit: %w", err)
		}
	}
	if err := s.ns.recheck(id); err != nil {
		return fmt.Errorf("recheck identity: %w", err)
	}
	if err := s.recheckOld(); err != nil {
		return err
	}
	if err := s.takeFromElsewhere(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// admit makes the socket one of the namespace. The reply is queued, what was emitted follows it, and the socket enters the
// index, all while the rooms concerned are locked: a broadcast comes after the reply or not at all.
func (s *Socket) admit() (old *Socket, admitted bool) {
	c := s.claim()
	if c != nil && c.old != nil && c.old.Connected() {
		c.old.client.supersede()
	}
	enter := s.enterRooms
	if c != nil && c.remote != nil {
		enter = func() ([]string, bool) { return s.resumeElsewhere(c) }
	}
	rooms, entered := enter()
	if !entered {
		return nil, false
	}
	s.debug("socket admitted", slog.Bool("recovered", s.Recovered()))
	s.limitUser()
	if s.Recovered() {
		s.changed()
	}
	if c != nil && c.old != nil {
		return c.old, true // closed before the hooks are told
	}
	s.ns.hooks.socketOpened(s, rooms)
	c.report(s)
	return nil, true
}

// enterRooms puts the socket into its rooms, in the one step. It returns false when the socket has ended meanwhile.
func (s *Socket) enterRooms() (rooms []string, ok bool) {
	for entered := false; !entered; {
		if rooms, ok = s.prepare(); !ok {
			return nil, false
		}
		s.ns.beginStep()
		locked := s.ns.rooms.lockMany(rooms, s.ns.everyone)
		entered = s.commit(rooms, locked)
		for _, r := range locked {
			s.ns.rooms.unlock(r)
		}
		s.ns.endStep()
	}
	return rooms, true
}

// prepare lifts the limits for strangers and returns the rooms that the admission asked for. It returns false when the
// socket has ended meanwhile.
func (s *Socket) prepare() (rooms []string, ok bool) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed || s.phase != connecting {
		return nil, false
	}
	if claim := s.admission.claim; claim != nil && claim.lost && (claim.old != nil || claim.remote != nil) {
		return nil, false
	}
	if !c.admitted {
		c.admitted = true
		s.conn.Admitted()
	}
	s.conn.Identified(s)
	s.due |= greeting
	c.hub.registry.admit(c)
	if expires := s.Identity().ExpiresAt; !expires.IsZero() {
		c.hub.expiries.set(s.leasedLocked(), expires)
	}
	return s.wantedLocked(), true
}

// commit is the step from admission to socket. The rooms are locked, everyone among them. It returns false when the socket has
// ended or asked for other rooms meanwhile.
func (s *Socket) commit(names []string, rooms []*room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != connecting || !slices.Equal(names, s.wantedLocked()) {
		return false
	}
	missed, ok := s.takeOverLocked(rooms)
	if !ok {
		return false
	}
	// A user can be found by name before its client knows that it is in: mu makes events to the user wait behind the reply.
	s.ns.sockets.change(s.id, func(*Socket) (*Socket, bool) { return s, true })
	s.ns.addUserLocked(s)
	reply := packet.Packet{Type: packet.Connect, Namespace: s.ns.name, Payload: s.granted()}
	_ = s.conn.Send(packet.Encode(&reply, s.wire)) // fails when the connection has ended: then Closed ends the socket
	for _, f := range missed {
		_ = s.conn.Send(f)
	}
	for _, f := range s.admission.frames {
		if s.kept != nil && f.Offset != "" {
			s.kept.add(f, &s.ns.hub.cfg.Recovery)
		}
		_ = s.conn.Send(f)
	}
	place := s.begunAtLocked()
	for _, r := range rooms {
		if r == s.ns.everyone {
			r.addLocked(s, &s.place)
			continue
		}
		r.addLocked(s, s.rooms.add(r, &s.rooms))
		s.noteJoinedLocked(r.name, place)
	}
	s.ns.hub.users.add(s)
	if old := s.admission.claimedLocked(); old != nil {
		s.ns.hub.users.succeed(old)
	}
	s.admission.stop(s.conn)
	s.phase, s.admission = open, nil
	return true
}

// granted is the payload of the CONNECT reply.
func (s *Socket) granted() []byte {
	if s.kept == nil {
		return []byte(`{"sid":"` + s.id + `"}`)
	}
	return []byte(`{"sid":"` + s.id + `","pid":"` + s.privateID() + `"}`)
}
