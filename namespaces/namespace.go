package namespaces

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"gatehouse/packet"
)

// Namespace is the definition of a namespace and, once a [Hub] has mounted it, the handle to its sockets. Everything that
// defines it (New's options, Admit, On and its like, OnConnect, OnDisconnect) comes before that, from one goroutine, and
// panics afterwards; everything else is safe for concurrent use at any time.
type Namespace struct {
	// Fixed once mounted.
	name         string
	gate         Gate
	admission    []AdmitFunc
	connected    []ConnectFunc
	disconnected []DisconnectFunc
	refreshed    []RefreshFunc
	handlers     map[string]EventFunc
	other        EventFunc // the handler of events that have none of their own; may be nil
	middleware   []Middleware
	outgoing     []OutgoingFunc
	mover        MoveFunc // may be nil
	missed       []MissedFunc
	serving      map[string]ServerFunc
	refresher    Refresher // the gate, if it is one
	rechecker    Rechecker // the gate, if it is one
	faults       []error   // mistakes in the definition; NewHub reports them
	events       declared
	hub          *Hub
	hooks        *hooks // the hub's; none before it is mounted
	adapter      Adapter
	child        *child   // nil outside of families
	alone        bool     // the adapter is Local
	sessions     Sessions // the adapter's; nil where sessions are not kept for other nodes

	mounted atomic.Bool
	running atomic.Bool  // the hub has been made and has not been closed
	parked  atomic.Int64 // sockets that are
	offsets offsets
	ackIDs  atomic.Uint64 // counts for all sockets, so that one frame serves a broadcast with acknowledgements

	sockets  index[*Socket]   // by id
	users    index[[]*Socket] // by subject; the lists are guarded by the index
	rooms    roomIndex
	everyone *room

	// Where sessions are kept for other nodes, steps keeps a broadcast with a place apart from changes of rooms. It is
	// locked before rooms are.
	steps sync.RWMutex
}

// AdmitFunc decides about an admission whose identity is known. An error refuses it: an *[Error] or *[handshake.Refusal] tells
// the client its code and message, any other is logged and answered with "unavailable". The context ends with the admission.
// Joins and emits of the socket take effect when it is admitted.
//
// A refusal for a cause that passes ("unavailable", "rate_limited", "too_many_connections", or with a RetryAfter) is not
// answered where the connection has no other namespace: the gate and the admission are asked again until the time to enter is
// over, and the transport closes then, so that the client comes back by itself.
type AdmitFunc func(ctx context.Context, s *Socket) error

// ConnectFunc is called after the CONNECT reply and before the first event of the client.
type ConnectFunc func(ctx context.Context, s *Socket)

// DisconnectFunc is called once when an admitted socket has ended, after the handler in progress has returned. The socket's
// rooms, identity and data can still be read; no broadcast reaches it any more. The context is not the socket's: it ends
// when Hub.Close gives up waiting.
type DisconnectFunc func(ctx context.Context, s *Socket, reason string)

// MoveFunc takes a socket of this node out of rooms and puts it into others. It must not wait for other nodes. A socket that
// has ended meanwhile, or is in too many rooms, is not moved.
type MoveFunc func(s *Socket, leave, join []string)

// Option is a setting of one namespace.
type Option func(*Namespace)

// WithGate sets the gate of this namespace, instead of the hub's.
func WithGate(g Gate) Option { return func(ns *Namespace) { ns.gate = g } }

// New begins the definition of a namespace. The name begins with a slash; "/" is the one that clients enter by default.
// Mistakes in a definition are reported when it is mounted.
func New(name string, opts ...Option) *Namespace {
	ns := &Namespace{name: name, handlers: make(map[string]EventFunc), hooks: new(hooks)}
	if err := checkNamespace(name); err != nil {
		ns.fault(fmt.Errorf("name %w", err))
	}
	ns.everyone = &room{permanent: true}
	ns.adapter, ns.alone = Local{ns}, true
	for _, opt := range opts {
		opt(ns)
	}
	return ns
}

// Name returns the name with its slash.
func (ns *Namespace) Name() string { return ns.name }

// Label returns what stands for the namespace where clients must not make up names, such as in metrics: the name, or the
// label of its family.
func (ns *Namespace) Label() string {
	if ns.child != nil {
		return ns.child.family.label
	}
	return ns.name
}

// Accepts implements Definition.
func (ns *Namespace) Accepts(name string) bool { return name == ns.name }

// Admit adds a step to the admission, after those added before.
func (ns *Namespace) Admit(step AdmitFunc) {
	ns.define()
	ns.admission = append(ns.admission, step)
}

// OnConnect adds a connect handler. They run one after another; the client's events wait for all of them.
func (ns *Namespace) OnConnect(h ConnectFunc) {
	ns.define()
	ns.connected = append(ns.connected, h)
}

// OnDisconnect adds a disconnect handler.
func (ns *Namespace) OnDisconnect(h DisconnectFunc) {
	ns.define()
	ns.disconnected = append(ns.disconnected, h)
}

// MoveWith sets the function that [Broadcast.Join] and [Broadcast.Leave] call, in place of [Socket.Leave] and [Socket.Join],
// for each socket of this node that they select, on whichever node they are called. It is for namespaces that keep lists of
// their rooms' members.
func (ns *Namespace) MoveWith(f MoveFunc) {
	ns.define()
	ns.mover = f
}

// define guards the parts that handlers read without a lock.
func (ns *Namespace) define() {
	if ns.mounted.Load() {
		panic("namespaces: " + ns.name + " is already mounted, its definition cannot change")
	}
}

func (ns *Namespace) fault(err error) { ns.faults = append(ns.faults, err) }

// mount implements Definition.
func (ns *Namespace) mount(h *Hub) error {
	if err := ns.attach(h); err != nil {
		return err
	}
	twice := false
	h.namespaces.change(ns.name, func(old *Namespace) (*Namespace, bool) {
		if twice = old != nil; twice {
			return old, true
		}
		return ns, true
	})
	if twice {
		ns.unmount()
		return fmt.Errorf("namespace %q is defined twice", ns.name)
	}
	return ns.adapt(h.adapting)
}

// attach makes the definition part of a hub.
func (ns *Namespace) attach(h *Hub) error {
	if ns.hub == nil {
		ns.adopt(h)
	}
	if ns.gate == nil {
		ns.fault(errors.New("has no gate and neither has the hub"))
	}
	if h.cfg.Recovery.on() {
		if err := ns.offsets.init(h.cfg.Random); err != nil {
			return fmt.Errorf("namespace %q: %w", ns.name, err)
		}
	}
	if err := errors.Join(ns.faults...); err != nil {
		return fmt.Errorf("namespace %q: %w", ns.name, err)
	}
	if !ns.mounted.CompareAndSwap(false, true) {
		return fmt.Errorf("namespace %q is mounted already", ns.name)
	}
	ns.wrap()
	return nil
}

// adopt gives the namespace its gate and rechecker.
func (ns *Namespace) adopt(h *Hub) {
	if ns.gate == nil {
		ns.gate = h.cfg.Gate
	}
	ns.hub, ns.hooks = h, h.hooks
	ns.rooms.told = h.hooks.roomChanged(ns)
	ns.refresher, _ = ns.gate.(Refresher)
	ns.rechecker, _ = ns.gate.(Rechecker)
}

// adapt makes the adapter.
func (ns *Namespace) adapt(ctx context.Context) error {
	adapt := ns.hub.cfg.Adapter
	if adapt == nil {
		return nil
	}
	adapter, err := adapt(ctx, Local{ns})
	if err != nil {
		return fmt.Errorf("make adapter of namespace %q: %w", ns.name, err)
	}
	ns.adapter, ns.alone = adapter, false
	if keeper, ok := adapter.(SessionKeeper); ok && ns.recovers() {
		ns.sessions = keeper.Sessions()
	}
	return nil
}

// unmount frees the definition for another hub.
func (ns *Namespace) unmount() {
	ns.adapter, ns.alone, ns.rooms.watch, ns.rooms.told = Local{ns}, true, nil, nil
	ns.hub, ns.hooks, ns.offsets.epoch, ns.sessions = nil, new(hooks), "", nil
	ns.mounted.Store(false)
}

// Socket returns the connected socket of this node with the given id.
func (ns *Namespace) Socket(id string) (*Socket, bool) {
	if s := ns.sockets.find(id); s != nil && s.present() {
		return s, true
	}
	return nil, false
}

// Len returns the number of connected sockets of this node.
func (ns *Namespace) Len() int {
	ns.everyone.mu.Lock()
	defer ns.everyone.mu.Unlock()
	return len(ns.everyone.members) - int(ns.parked.Load())
}

// newEvent makes the packet of an emit.
func (ns *Namespace) newEvent(name string, args []any) (packet.Packet, error) {
	if err := CheckEvent(name); err != nil {
		return packet.Packet{}, err
	}
	if err := ns.live(); err != nil {
		return packet.Packet{}, fmt.Errorf("emit %q: %w", name, err)
	}
	encoded, err := packet.NewArgs(args...)
	if err != nil {
		return packet.Packet{}, fmt.Errorf("emit %q: %w", name, err)
	}
	return packet.Packet{Type: packet.Event, Namespace: ns.name, Event: name, Args: encoded}, nil
}

// live returns an error when the namespace is not mounted, or its hub has closed.
func (ns *Namespace) live() error {
	switch {
	case !ns.mounted.Load():
		return ErrNotMounted
	case !ns.running.Load():
		return ErrHubClosed
	}
	return nil
}
