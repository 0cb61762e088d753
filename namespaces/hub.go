package namespaces

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/crew"
	"gatehouse/internal/sampled"
	"gatehouse/packet"
)

// Hub holds the mounted namespaces and the connections. Its methods are safe for concurrent use.
type Hub struct {
	// Fixed once made.
	cfg        Config // of its limits, see live
	log        *slog.Logger
	sampled    *slog.Logger // for log lines that clients can cause as often as they like
	hooks      *hooks
	namespaces index[*Namespace] // by name
	families   []*Family         // those that fit better first
	ctx        context.Context   // of disconnect handlers; ends when Close gives up
	giveUp     context.CancelFunc
	adapting   context.Context // of the adapters; ends when they have been closed
	adapted    context.CancelFunc

	events   sync.Pool // of *inbound
	registry registry
	expiries expiryQueue
	live     atomic.Pointer[liveLimits]
	lot      lot
	users    *users // nil without a limit
	turns    turns
	pace     pace

	// tasks counts the goroutines that Close waits for. Close itself holds one until every client has ended, so that a task
	// is only ever started while the count is above zero.
	tasks crew.Crew
}

// Definition is what a hub mounts: a [Namespace], or a [Family] of them.
type Definition interface {
	// Label is the name of a namespace or the pattern of a family, for metrics: clients cannot make it up.
	Label() string
	// Accepts reports whether the definition is for clients that ask for this name.
	Accepts(name string) bool
	// mount makes the definition part of a hub, which is about to start.
	mount(h *Hub) error
	// describe returns the events that clients of the definition send and get.
	describe() (Description, error)
}

// NewHub mounts the definitions. A mistake in one of them, two of one name, one that another hub has mounted, or an adapter
// that cannot be made is an error; the definitions can then be mounted by another hub. The hub must be closed; from then on
// emits fail with [ErrHubClosed].
func NewHub(cfg Config, defs ...Definition) (*Hub, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configure hub: %w", err)
	}
	h := &Hub{cfg: cfg, log: cfg.Logger, sampled: sampled.Logger(cfg.Logger), hooks: newHooks(cfg.Hooks)}
	h.live.Store(cfg.live())
	h.events.New = func() any { return new(inbound) }
	h.ctx, h.giveUp = context.WithCancel(context.Background())
	h.adapting, h.adapted = context.WithCancel(context.Background())
	if err := h.mount(defs); err != nil {
		h.giveUp()
		_ = h.closeAdapters(h.ctx)
		for ns := range h.Namespaces() {
			ns.unmount()
		}
		for _, f := range h.families {
			f.unmount()
		}
		return nil, err
	}
	h.registry.init(cfg.ConnectTimeout, cfg.MaxPending)
	h.expiries.init(cfg.ExpiryNotice, cfg.ExpiryGrace)
	h.lot.init(cfg.Recovery)
	h.users = newUsers(cfg.MaxPerUser, cfg.Users)
	h.turns.init(h)
	h.pace.init(h)
	h.tasks.Hold()
	h.tasks.Go(h.closeLate)
	h.tasks.Go(h.runExpiry)
	if cfg.Recovery.on() {
		h.tasks.Go(h.keepParked)
	}
	h.run(true)
	return h, nil
}

// run says whether emits pass.
func (h *Hub) run(on bool) {
	for ns := range h.Namespaces() {
		ns.running.Store(on)
	}
}

// mount mounts the definitions; what was mounted before an error is in h.namespaces.
func (h *Hub) mount(defs []Definition) error {
	for _, d := range defs {
		if err := d.mount(h); err != nil {
			return err
		}
	}
	return nil
}

// Namespace returns the namespace that is mounted under a name.
func (h *Hub) Namespace(name string) (*Namespace, bool) {
	ns := h.namespaces.find(name)
	return ns, ns != nil
}

// Open returns the namespace of a name, and makes it when it is one of a family that nobody has asked for yet: such a
// namespace stays for the family's Linger. ok is false when no definition has such a name. The error says why it cannot
// be made.
func (h *Hub) Open(ctx context.Context, name string) (ns *Namespace, ok bool, err error) {
	if ns = h.enter(name); ns == nil {
		return nil, false, nil
	}
	defer ns.letGo()
	return ns, true, ns.prepare(ctx)
}

// enter returns the namespace that a client asks for, or nil. Each call is followed by one of [Namespace.letGo].
func (h *Hub) enter(name string) *Namespace {
	if ns := h.namespaces.find(name); ns != nil && ns.child == nil {
		return ns
	}
	for _, f := range h.families {
		if ns := f.hold(name); ns != nil {
			return ns
		}
	}
	return nil
}

// Namespaces iterates over the namespaces that are there.
func (h *Hub) Namespaces() iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		for _, ns := range h.namespaces.all() {
			if !yield(ns) {
				return
			}
		}
	}
}

// Connect takes a new connection. It must then get the messages of the client in order, and Closed once at the end.
func (h *Hub) Connect(conn Conn) *Client {
	c := &Client{hub: h, conn: conn, decoder: packet.NewDecoder(h.cfg.Packet)}
	if !h.registry.add(c) {
		c.shut(closeGoingAway, ReasonShutdown, ReasonShutdown)
	}
	for oldest := h.registry.excess(); oldest != nil; oldest = h.registry.excess() {
		h.sampled.Warn("too many connections without a namespace, closing the oldest", slog.Int("limit", h.limits().MaxPending))
		oldest.shut(closeTryAgainLater, tooManyPending, ReasonForcedServer)
	}
	return c
}

// ClosePending closes the connection that has been in no namespace for longest, if that is at least atLeast, and
// reports whether there was one. It makes room for another connection.
func (h *Hub) ClosePending(atLeast time.Duration) bool {
	oldest := h.registry.oldest(atLeast)
	if oldest == nil {
		return false
	}
	oldest.shut(closeTryAgainLater, tooManyPending, ReasonForcedServer)
	return true
}

const tooManyPending = "too many pending connections"

// Close ends all sockets with [ReasonShutdown], closes their transports without DISCONNECT, so that clients come back, waits
// for the handlers in progress and the disconnect handlers, and closes the adapters. When ctx ends before, the context of
// disconnect handlers ends too and Close returns an error. Only its first call counts.
func (h *Hub) Close(ctx context.Context) error {
	clients, first := h.registry.close()
	if !first {
		return ErrHubClosed
	}
	for _, f := range h.families {
		f.stop()
	}
	for _, c := range clients {
		if sockets, first := c.detach(ReasonShutdown, cutOff); first {
			c.bury(sockets, cutOff) // here, because a goroutine for each of them would be one for each connection
		}
		c.conn.Close(closeGoingAway, ReasonShutdown)
	}
	for _, s := range h.lot.close() {
		s.end(ReasonShutdown, cutOff)
	}
	h.tasks.Release()
	err := h.wait(ctx)
	h.run(false)
	return errors.Join(err, h.closeAdapters(ctx))
}

// closeAdapters closes the adapters that have been made, all at once: each may have to wait for the network.
func (h *Hub) closeAdapters(ctx context.Context) error {
	defer h.adapted()
	var (
		closing sync.WaitGroup
		mu      sync.Mutex // guards err
		err     error
	)
	for ns := range h.Namespaces() {
		closing.Go(func() {
			if failed := ns.adapter.Close(ctx); failed != nil {
				mu.Lock()
				defer mu.Unlock()
				err = errors.Join(err, fmt.Errorf("close adapter of %q: %w", ns.name, failed))
			}
		})
	}
	closing.Wait()
	for _, f := range h.families {
		f.closing.Wait()
	}
	return err
}

// wait returns when all tasks have ended, or ctx has.
func (h *Hub) wait(ctx context.Context) error {
	defer h.giveUp()
	stopped := make(chan struct{})
	go func() { // ends with the last task
		h.tasks.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for handlers: %w", ctx.Err())
	}
}

// Stats is a count of what a hub holds.
type Stats struct {
	Clients int // connections
	Pending int // those of them that are in no namespace
	Sockets int // connected sockets
	Parked  int // sockets whose clients may come back
	Rooms   int // rooms with a member on this node
}

// Stats returns the counts of now. It locks one thing after the other, so the numbers may not be of exactly the same
// moment.
func (h *Hub) Stats() Stats {
	var st Stats
	st.Clients, st.Pending = h.registry.count()
	st.Parked = h.lot.len()
	for ns := range h.Namespaces() {
		st.Sockets += ns.Len()
		st.Rooms += ns.rooms.byName.len()
	}
	return st
}

// caught logs a panic of a callback and returns it as an error. It is for use in deferred functions:
//
//	if p := recover(); p != nil { err = h.caught(p, "…") }
func (h *Hub) caught(p any, where string, fields ...slog.Attr) error {
	h.log.LogAttrs(h.ctx, slog.LevelError, "panic recovered", append(fields,
		slog.String("in", where), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))...)
	return errors.Join(errPanic, fmt.Errorf("%s: %v", where, p))
}
