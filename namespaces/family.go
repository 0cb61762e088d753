package namespaces

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/pattern"
	"gatehouse/packet"
)

// Defaults of a [Family].
const (
	DefaultFamilyMax    = 10_000
	DefaultFamilyLinger = 10 * time.Second
)

// Family is the definition of namespaces that are made when a client asks for them (Node's dynamic namespaces). Each is
// a namespace of its own, with its rooms and its adapter. It is made when the first client that asks for it has been
// identified, and goes some time after its last socket. A namespace that is mounted under a name of its own is not the
// family's; of two families, the one whose pattern fixes more characters of a name has it.
type Family struct {
	// Fixed once mounted.
	label    string
	literals int // how many characters the pattern fixes; -1 for a function
	match    func(name string) (parts map[string]string, ok bool)
	parts    []string // of the pattern
	define   func(ns *Namespace)
	opts     []Option
	max      int
	linger   time.Duration
	fault    error
	hub      *Hub

	closing sync.WaitGroup // adapters that are being closed

	mu       sync.Mutex // guards what follows, and fields of child that name it; a leaf
	mounted  bool
	closed   bool
	children map[string]*Namespace
	made     int // the children that have been defined
}

// child is the state that a namespace of a family has in addition.
type child struct {
	family *Family
	parts  map[string]string

	turn   chan struct{} // taken while the namespace is made; guards what follows
	done   bool
	failed error // the error of its definition, which is final

	// Guarded by the family's mu.
	made bool
	uses int         // how many sockets are in it or ask to be
	end  *time.Timer // runs while it has no socket; nil otherwise

	emptied int // how many times it has stood empty
}

// NewFamily begins the definition of the namespaces that fit a pattern, such as "/tenant-{org}": a part in braces
// stands for one or more characters but slashes. The function defines each of them, as a program does with [New]: it is
// called once for each, when the first client that asks for it has been identified. The name comes from that client: do
// not trust it. Its parts are in [Namespace.Part]. Options are those of each namespace.
func NewFamily(text string, define func(ns *Namespace), opts ...Option) *Family {
	p, err := pattern.Compile(text)
	f := &Family{label: text, define: define, opts: opts, max: DefaultFamilyMax, linger: DefaultFamilyLinger}
	if err != nil {
		f.fault = fmt.Errorf("pattern %w", err)
		return f
	}
	f.literals, f.match, f.parts = p.Literals(), p.Match, p.Parts()
	return f
}

// NewFamilyFunc is [NewFamily] for the names that a function accepts; the label stands for the family in metrics. The
// function is called for every name that nothing else is mounted at, before the client is identified, and must be quick:
// checks that need a database belong in [Namespace.Admit].
func NewFamilyFunc(label string, accept func(name string) bool, define func(ns *Namespace), opts ...Option) *Family {
	f := &Family{label: label, literals: -1, define: define, opts: opts, max: DefaultFamilyMax, linger: DefaultFamilyLinger}
	f.match = func(name string) (map[string]string, bool) { return nil, accept(name) }
	return f
}

// Max sets how many namespaces of the family there may be at once; a client that asks for one more is refused as
// "too_many_connections". It is called before the family is mounted.
func (f *Family) Max(n int) *Family {
	f.max = n
	return f
}

// Linger sets how long a namespace stays when its last socket has gone. It is called before the family is mounted.
func (f *Family) Linger(d time.Duration) *Family {
	f.linger = d
	return f
}

// Label returns the pattern, or the label of a family by function.
func (f *Family) Label() string { return f.label }

// Accepts reports whether a name fits.
func (f *Family) Accepts(name string) bool {
	if f.match == nil || checkNamespace(name) != nil {
		return false
	}
	_, ok := f.match(name)
	return ok
}

// Emit sends an event to all sockets of all namespaces of the family that this node has.
func (f *Family) Emit(event string, args ...any) error {
	encoded, err := packet.NewArgs(args...)
	if err != nil {
		return fmt.Errorf("emit %q: %w", event, err)
	}
	for ns := range f.Namespaces() {
		err = errors.Join(err, ns.Emit(event, encoded))
	}
	return err
}

// Namespaces iterates over the namespaces of the family that this node has.
func (f *Family) Namespaces() iter.Seq[*Namespace] {
	f.mu.Lock()
	var all []*Namespace
	for _, ns := range f.children {
		if ns.child.made {
			all = append(all, ns)
		}
	}
	f.mu.Unlock()
	return slices.Values(all)
}

// mount implements Definition.
func (f *Family) mount(h *Hub) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.fault != nil:
		return fmt.Errorf("family %q: %w", f.label, f.fault)
	case f.define == nil:
		return fmt.Errorf("family %q: has no function that defines its namespaces", f.label)
	case f.max < 1 || f.linger < 0:
		return fmt.Errorf("family %q: Max is below one, or Linger negative", f.label)
	case New("/", f.opts...).gate == nil && h.cfg.Gate == nil:
		return fmt.Errorf("family %q: has no gate and neither has the hub", f.label)
	case f.mounted:
		return fmt.Errorf("family %q is mounted already", f.label)
	case slices.ContainsFunc(h.families, func(o *Family) bool { return o.label == f.label }):
		return fmt.Errorf("family %q is defined twice", f.label)
	}
	f.mounted, f.hub, f.closed, f.children = true, h, false, make(map[string]*Namespace)
	h.families = append(h.families, f)
	slices.SortStableFunc(h.families, func(a, b *Family) int { return cmp.Compare(b.literals, a.literals) })
	return nil
}

// unmount makes the family free for another hub.
func (f *Family) unmount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mounted = false
}

// hold returns the namespace of a name for a socket that asks to be in it, or nil when the name does not fit the
// family.
func (f *Family) hold(name string) *Namespace {
	if checkNamespace(name) != nil {
		return nil
	}
	parts, ok := f.match(name) // without a lock, as it may call the program's function
	if !ok {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ns := f.children[name]
	if ns == nil {
		ns = New(name, f.opts...)
		ns.child = &child{family: f, parts: parts, turn: make(chan struct{}, 1)}
		ns.adopt(f.hub)
		f.children[name] = ns
	}
	ns.child.uses++
	if ns.child.end != nil {
		ns.child.end.Stop()
		ns.child.end = nil
	}
	return ns
}

// letGo counts a socket that is not in the namespace any more. A namespace that was not made goes at once.
func (ns *Namespace) letGo() {
	c := ns.child
	if c == nil {
		return
	}
	f := c.family
	f.mu.Lock()
	defer f.mu.Unlock()
	c.uses--
	switch {
	case c.uses > 0 || f.closed:
	case !c.made:
		f.forgetLocked(ns)
	default:
		c.emptied++
		turn := c.emptied
		c.end = time.AfterFunc(f.linger, func() { f.expire(ns, turn) })
	}
}

// expire ends a namespace that has stood empty.
func (f *Family) expire(ns *Namespace, turn int) {
	f.mu.Lock()
	if f.closed || ns.child.end == nil || ns.child.emptied != turn {
		f.mu.Unlock()
		return // somebody has come meanwhile
	}
	f.removeLocked(ns)
	f.mu.Unlock()
	f.bury(ns)
}

// removeLocked removes a namespace that was made; bury must follow.
func (f *Family) removeLocked(ns *Namespace) {
	if ns.child.end != nil {
		ns.child.end.Stop()
		ns.child.end = nil
	}
	f.forgetLocked(ns)
	f.made--
	f.closing.Add(1)
}

// forgetLocked takes a namespace out of the list, unless another one has taken its place there.
func (f *Family) forgetLocked(ns *Namespace) {
	if f.children[ns.name] == ns {
		delete(f.children, ns.name)
	}
}

// bury closes the adapter of a namespace that has gone, and tells the hooks.
func (f *Family) bury(ns *Namespace) {
	defer f.closing.Done()
	f.hub.namespaces.change(ns.name, func(now *Namespace) (*Namespace, bool) { return now, now != nil && now != ns })
	ns.running.Store(false)
	if err := ns.adapter.Close(f.hub.adapting); err != nil {
		f.hub.log.Warn("adapter of a namespace not closed well", slog.String("namespace", ns.name), slog.Any("error", err))
	}
	f.hub.hooks.namespaceGone(ns)
}

// prepare makes a namespace of a family, once however many ask for it. It is called for a client that has been identified,
// so that a stranger cannot have anything made.
func (ns *Namespace) prepare(ctx context.Context) error {
	c := ns.child
	if c == nil {
		return nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for namespace to be made: %w", ctx.Err())
	}
	if c.done || c.failed != nil {
		return c.failed
	}
	old, err := c.family.reserve(ns)
	if old != nil {
		c.family.bury(old)
	}
	if err != nil {
		return err // the next client may have more luck
	}
	defer func() {
		if !c.done {
			c.family.giveUp(ns)
		}
	}()
	if !ns.mounted.Load() {
		c.failed = errPanic // unless it goes well
		c.family.define(ns)
		if c.failed = ns.attach(c.family.hub); c.failed != nil {
			return c.failed
		}
	}
	if err := ns.adapt(c.family.hub.adapting); err != nil {
		return err // a network that is away may come back
	}
	c.done = true
	c.family.list(ns)
	return nil
}

// giveUp uncounts a namespace that could not be made. Where its definition failed, the next client that asks for the
// name has it defined anew.
func (f *Family) giveUp(ns *Namespace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ns.child.made = false
	f.made--
	if ns.child.failed != nil {
		f.forgetLocked(ns)
	}
}

// reserve counts a namespace that is about to be made. When there are too many, the one that has stood empty gives way, and
// must be buried.
func (f *Family) reserve(ns *Namespace) (old *Namespace, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, ErrHubClosed
	case ns.child.made:
		return nil, nil
	}
	if f.made >= f.max {
		for _, one := range f.children {
			if one.child.end != nil {
				old = one
				break
			}
		}
		if old == nil {
			return nil, &handshake.Refusal{
				Code: handshake.CodeTooManyConnections, Message: "There are too many namespaces of this kind; try again later.",
				RetryAfter: f.linger + time.Second,
			}
		}
		f.removeLocked(old)
	}
	ns.child.made = true
	f.made++
	return old, nil
}

// list lets a namespace be found by its name.
func (f *Family) list(ns *Namespace) {
	f.hub.namespaces.change(ns.name, func(*Namespace) (*Namespace, bool) { return ns, true })
	f.mu.Lock()
	ns.running.Store(!f.closed)
	f.mu.Unlock()
	f.hub.hooks.namespaceMade(ns)
}

// stop lets no namespace come or go any more.
func (f *Family) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, ns := range f.children {
		if ns.child.end != nil {
			ns.child.end.Stop()
		}
	}
}

// Family returns the family that the namespace belongs to, or nil.
func (ns *Namespace) Family() *Family {
	if ns.child == nil {
		return nil
	}
	return ns.child.family
}

// Part returns the text that stands in the name for a part of the family's pattern: with "/tenant-{org}" the part "org"
// of "/tenant-acme" is "acme". It is "" where there is no such part. The text comes from a client: do not trust it.
func (ns *Namespace) Part(name string) string {
	if ns.child == nil {
		return ""
	}
	return ns.child.parts[name]
}
