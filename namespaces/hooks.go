package namespaces

import (
	"context"
	"time"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// Hooks are told what happens in the namespaces, for metrics, presence and the admin interface. A field that is nil costs
// nothing. The functions are called concurrently, under no lock unless said otherwise, and should return quickly.
type Hooks struct {
	// SocketOpened and SocketClosed are called once each for an admitted socket, in this order. SocketClosed is called
	// when the handler in progress has returned. The identity, request and rooms of a closed socket can still be read.
	SocketOpened func(s *Socket)
	SocketClosed func(s *Socket, reason string)
	// SocketParked reports a socket whose transport is lost and that waits for its client ([Recovery]). When the client
	// comes back, SocketClosed with [ReasonRecovered] follows, and SocketOpened for the socket that goes on with its id,
	// rooms and data; RoomLeft and RoomJoined are not called for the rooms that it was in. Otherwise SocketClosed follows
	// with the reason for which it ends.
	SocketParked func(s *Socket, reason string)
	// SessionLapsed reports a parked socket whose client did not come back in time, or that had to make room for others. SocketClosed follows.
	SessionLapsed func(s *Socket)
	// RecoveryFailed reports a client that came back with the session of a socket before and was admitted as a new one; s is
	// the new socket.
	RecoveryFailed func(s *Socket, why RecoveryFailure)
	// Refused reports a CONNECT that is about to be answered with CONNECT_ERROR. The label is the namespace's, see [Namespace.Label];
	// it is "" and the code "invalid_namespace" for names that nothing is mounted at.
	Refused func(label, code string)
	// SocketRefused is called besides Refused for an admission that the namespace, or its gate, has refused. The namespace
	// and the request of the socket can be read; it was never admitted. The error is what refused it, with its cause.
	SocketRefused func(s *Socket, err error)
	// Admission is called before the gate and the admission steps of the namespace. They get the context that Admission
	// returns. The function that Admission returns, which may be nil, is called with the outcome.
	Admission func(ctx context.Context, s *Socket) (context.Context, func(err error))
	// Event is called before a handler and its middleware, which get the context that Event returns. The function that
	// Event returns, which may be nil, is called with the outcome. Event is not called for an event that has no handler.
	Event func(ctx context.Context, s *Socket, e Event) (context.Context, func(err error))
	// Broadcast is called before this node sends an event to a selection of sockets. ctx is that of [Broadcast.Within], or
	// nil; the adapter gets the context that Broadcast returns. The function that it returns, which may be nil, is called
	// when the event is queued, or cannot be.
	Broadcast func(ctx context.Context, ns *Namespace, b Broadcasting) (context.Context, func(err error))
	// Slowed reports that reading from the client of s pauses, or that the next event of s waits, because too much has
	// come. It is called with locks held: it must not block, and may ask s for its id, namespace and identity only.
	Slowed func(s *Socket, why SlowCause, wait time.Duration)
	// RoomJoined and RoomLeft report changes of membership. The calls for different sockets may come in any order.
	RoomJoined func(s *Socket, room string)
	RoomLeft   func(s *Socket, room string)
	// RoomMade and RoomGone report a room that has got its first member on this node, and one that has lost its last. For
	// one name they alternate. They are called with the room locked: they must not block, and must call nothing of this
	// package.
	RoomMade func(ns *Namespace, room string)
	RoomGone func(ns *Namespace, room string)
	// EventHandled reports one event of a client, before its acknowledgement is queued: when a client has the
	// acknowledgement, the event has been counted.
	EventHandled func(s *Socket, h Handled)
	// Emitted reports an event that was queued, for one socket or as a broadcast. A broadcast is reported on every node
	// that carries it out.
	Emitted func(ns *Namespace, e Emitted)
	// NamespaceMade and NamespaceGone report a namespace of a [Family] that the first client is about to enter, and one that
	// has stood empty. They come in this order.
	NamespaceMade func(ns *Namespace)
	NamespaceGone func(ns *Namespace)
	// OperationsMissed reports a gap in the operations of another node, see [Namespace.OnMissed]: once for each namespace that
	// may lack something.
	OperationsMissed func(ns *Namespace, m Missed)
	// IdentityChanged reports a refreshed identity that has come into force.
	IdentityChanged func(s *Socket, old handshake.Identity)
}

// Handled is the outcome of a client's event.
type Handled struct {
	Event string // "" when there is no handler for it, so that a client cannot make up names
	Err   error  // nil when the handler succeeded
	Took  time.Duration
	Name  string      // as the client sent it; "" for events that the server itself handles
	Args  packet.Args // without the acknowledgement
}

// Broadcasting is an event that is about to be sent to a selection of sockets.
type Broadcasting struct {
	Event string
	// By is the socket that causes it, see [Broadcast.By], or nil.
	By *Socket
	// Rooms select the receivers. They are shared and must not be changed.
	Rooms []string
}

// Emitted is an event that was queued.
type Emitted struct {
	Event string
	Args  packet.Args
	// Socket is the only receiver; nil for a broadcast.
	Socket *Socket
	// Rooms and Except select the receivers of a broadcast. They are shared and must not be changed.
	Rooms, Except []string
	// Receivers is how many sockets of this node it was queued for.
	Receivers int
}

// SlowCause is why a client is slowed down.
type SlowCause string

// The causes for which a client is slowed down.
const (
	SlowSocket    SlowCause = "socket_limits"     // it sends more than [RateLimits] allow a socket
	SlowUser      SlowCause = "user_limits"       // all sockets of its user do
	SlowRefreshes SlowCause = "refused_refreshes" // too many refreshes of its user were refused
	SlowRoom      SlowCause = "room_behind"       // the members of a room that it has sent to are behind
)

// hooks are the functions of several Hooks, grouped by field.
type hooks struct {
	opened   []func(*Socket)
	closed   []func(*Socket, string)
	parked   []func(*Socket, string)
	lapsed   []func(*Socket)
	failed   []func(*Socket, RecoveryFailure)
	refused  []func(label, code string)
	denied   []func(*Socket, error)
	admits   []func(context.Context, *Socket) (context.Context, func(error))
	events   []func(context.Context, *Socket, Event) (context.Context, func(error))
	sends    []func(context.Context, *Namespace, Broadcasting) (context.Context, func(error))
	slowed   []func(*Socket, SlowCause, time.Duration)
	joined   []func(*Socket, string)
	left     []func(*Socket, string)
	roomMade []func(*Namespace, string)
	roomGone []func(*Namespace, string)
	handled  []func(*Socket, Handled)
	emitted  []func(*Namespace, Emitted)
	made     []func(*Namespace)
	gone     []func(*Namespace)
	missed   []func(*Namespace, Missed)
	identity []func(*Socket, handshake.Identity)
}

func newHooks(all []Hooks) *hooks {
	h := new(hooks)
	for _, one := range all {
		h.opened = appendSet(h.opened, one.SocketOpened, one.SocketOpened != nil)
		h.closed = appendSet(h.closed, one.SocketClosed, one.SocketClosed != nil)
		h.parked = appendSet(h.parked, one.SocketParked, one.SocketParked != nil)
		h.lapsed = appendSet(h.lapsed, one.SessionLapsed, one.SessionLapsed != nil)
		h.failed = appendSet(h.failed, one.RecoveryFailed, one.RecoveryFailed != nil)
		h.refused = appendSet(h.refused, one.Refused, one.Refused != nil)
		h.denied = appendSet(h.denied, one.SocketRefused, one.SocketRefused != nil)
		h.admits = appendSet(h.admits, one.Admission, one.Admission != nil)
		h.events = appendSet(h.events, one.Event, one.Event != nil)
		h.sends = appendSet(h.sends, one.Broadcast, one.Broadcast != nil)
		h.slowed = appendSet(h.slowed, one.Slowed, one.Slowed != nil)
		h.joined = appendSet(h.joined, one.RoomJoined, one.RoomJoined != nil)
		h.left = appendSet(h.left, one.RoomLeft, one.RoomLeft != nil)
		h.roomMade = appendSet(h.roomMade, one.RoomMade, one.RoomMade != nil)
		h.roomGone = appendSet(h.roomGone, one.RoomGone, one.RoomGone != nil)
		h.handled = appendSet(h.handled, one.EventHandled, one.EventHandled != nil)
		h.emitted = appendSet(h.emitted, one.Emitted, one.Emitted != nil)
		h.made = appendSet(h.made, one.NamespaceMade, one.NamespaceMade != nil)
		h.gone = appendSet(h.gone, one.NamespaceGone, one.NamespaceGone != nil)
		h.missed = appendSet(h.missed, one.OperationsMissed, one.OperationsMissed != nil)
		h.identity = appendSet(h.identity, one.IdentityChanged, one.IdentityChanged != nil)
	}
	return h
}

func appendSet[F any](to []F, f F, set bool) []F {
	if !set {
		return to
	}
	return append(to, f)
}

func (h *hooks) socketOpened(s *Socket, rooms []string) {
	for _, f := range h.opened {
		f(s)
	}
	for _, name := range rooms {
		h.roomJoined(s, name)
	}
}

func (h *hooks) socketClosed(s *Socket, reason string) {
	for _, f := range h.closed {
		f(s, reason)
	}
}

func (h *hooks) socketParked(s *Socket, reason string) {
	for _, f := range h.parked {
		f(s, reason)
	}
}

func (h *hooks) sessionLapsed(s *Socket) {
	for _, f := range h.lapsed {
		f(s)
	}
}

func (h *hooks) recoveryFailed(s *Socket, why RecoveryFailure) {
	for _, f := range h.failed {
		f(s, why)
	}
}

func (h *hooks) clientSlowed(s *Socket, why SlowCause, wait time.Duration) {
	for _, f := range h.slowed {
		f(s, why, wait)
	}
}

func (h *hooks) connectRefused(label, code string) {
	for _, f := range h.refused {
		f(label, code)
	}
}

func (h *hooks) socketRefused(s *Socket, err error) {
	for _, f := range h.denied {
		f(s, err)
	}
}

// admission tells the hooks that an admission begins. The function that it returns tells them that it has ended.
func (h *hooks) admission(ctx context.Context, s *Socket) (context.Context, func(error)) {
	return begin(ctx, len(h.admits), func(ctx context.Context, i int) (context.Context, func(error)) { return h.admits[i](ctx, s) })
}

// event tells the hooks that the handling of an event begins. The function that it returns tells them that it has
// ended.
func (h *hooks) event(ctx context.Context, s *Socket, e Event) (context.Context, func(error)) {
	return begin(ctx, len(h.events), func(ctx context.Context, i int) (context.Context, func(error)) { return h.events[i](ctx, s, e) })
}

// broadcast tells the hooks that a broadcast begins. The function that it returns tells them that it has ended.
func (h *hooks) broadcast(ctx context.Context, ns *Namespace, b Broadcasting) (context.Context, func(error)) {
	return begin(ctx, len(h.sends), func(ctx context.Context, i int) (context.Context, func(error)) { return h.sends[i](ctx, ns, b) })
}

// begin calls n hooks one after another, each with the context that the one before has returned. The function that it
// returns tells them the end in the reverse order.
func begin(ctx context.Context, n int, call func(context.Context, int) (context.Context, func(error))) (context.Context, func(error)) {
	var end func(error)
	for i := range n {
		var own func(error)
		ctx, own = call(ctx, i) //nolint:fatcontext // each is within the one before
		end = both(own, end)
	}
	if end == nil {
		return ctx, nothing
	}
	return ctx, end
}

// nothing is the function for the end where no hook wants to know of it.
func nothing(error) {}

// both returns a function that calls first and then second; one of them may be nil.
func both(first, second func(error)) func(error) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(err error) {
		first(err)
		second(err)
	}
}

func (h *hooks) roomJoined(s *Socket, room string) {
	for _, f := range h.joined {
		f(s, room)
	}
}

func (h *hooks) roomLeft(s *Socket, room string) {
	for _, f := range h.left {
		f(s, room)
	}
}

// roomChanged returns a function for RoomMade and RoomGone, or nil when no hook has them.
func (h *hooks) roomChanged(ns *Namespace) func(room string, there bool) {
	if len(h.roomMade)+len(h.roomGone) == 0 {
		return nil
	}
	return func(room string, there bool) {
		told := h.roomGone
		if there {
			told = h.roomMade
		}
		for _, f := range told {
			f(ns, room)
		}
	}
}

func (h *hooks) eventHandled(s *Socket, e Handled) {
	for _, f := range h.handled {
		f(s, e)
	}
}

func (h *hooks) eventEmitted(ns *Namespace, e Emitted) {
	for _, f := range h.emitted {
		f(ns, e)
	}
}

func (h *hooks) namespaceMade(ns *Namespace) {
	for _, f := range h.made {
		f(ns)
	}
}

func (h *hooks) namespaceGone(ns *Namespace) {
	for _, f := range h.gone {
		f(ns)
	}
}

func (h *hooks) operationsMissed(ns *Namespace, m Missed) {
	for _, f := range h.missed {
		f(ns, m)
	}
}

func (h *hooks) identityChanged(s *Socket, old handshake.Identity) {
	for _, f := range h.identity {
		f(s, old)
	}
}
