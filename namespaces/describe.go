package namespaces

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// EventType is what an event carries.
type EventType struct {
	Name  string         // a * at the end stands for any text
	Args  []reflect.Type // a packet.Args stands for any number of arguments of any type
	Reply reflect.Type   // the value of the acknowledgement when all is well; nil when it has none
	Asks  bool           // the sender of the event waits for the acknowledgement
}

// Description lists the events that clients of a namespace send and get, as far as its definition says so: every event that
// has a handler, with the handler's types, what [Takes], [Emits] and [Asks] declare, and the events of a session's life.
type Description struct {
	Label string      // of the definition
	Takes []EventType // that clients send, by name
	Emits []EventType // that clients get, by name

	Success reflect.Type // the acknowledgement that only says that all went well
	Failure reflect.Type // the acknowledgement of an event that was refused or failed
}

// Describe returns the events that clients of a definition send and get. To describe a [Family], its function is called once,
// with a namespace that no hub mounts and whose parts are their own names in braces. The error is the definition's first
// mistake.
func Describe(def Definition) (Description, error) { return def.describe() }

// Emits declares that the namespace emits an event with one argument of the type T; a [None] is no argument, a
// packet.Args any number. Events that are not declared can be emitted as well. Declarations are for [Describe], and for
// tests: package namespacestest checks emitted events against them.
func Emits[T any](ns *Namespace, event string) { ns.declare(event, EventType{Args: argTypes[T]()}) }

// Emits2 is [Emits] for an event with two arguments.
func Emits2[A, B any](ns *Namespace, event string) {
	ns.declare(event, EventType{Args: slices.Concat(argTypes[A](), argTypes[B]())})
}

// Asks is [Emits] for an event whose acknowledgement, a Reply, the namespace waits for.
func Asks[T, Reply any](ns *Namespace, event string) {
	ns.declare(event, EventType{Args: argTypes[T](), Reply: reflect.TypeFor[Reply](), Asks: true})
}

// Takes declares the arguments of a client's event where the types of the handler do not: for packet.Args, [OnLater]
// and [Namespace.OnOther]. In and Out are what they are for [On].
func Takes[In, Out any](ns *Namespace, event string) {
	ns.define()
	if err := CheckEvent(event); err != nil {
		ns.fault(err)
		return
	}
	ns.take(event, taken[Out](argTypes[In]()), true)
}

// declare notes an event that is emitted.
func (ns *Namespace) declare(event string, e EventType) {
	ns.define()
	if err := CheckEvent(event); err != nil {
		ns.fault(err)
		return
	}
	if ns.hub == nil { // a namespace of a family is described by another one
		e.Name = event
		ns.events.emits = append(ns.events.emits, e)
	}
}

// declared holds the declarations of a definition.
type declared struct {
	takes  map[string]EventType
	spoken map[string]bool // the events among them that Takes has declared
	emits  []EventType
}

// take notes an event of clients. A declaration counts before the types of a handler.
func (ns *Namespace) take(event string, e EventType, spoken bool) {
	d := &ns.events
	if ns.hub != nil || d.spoken[event] && !spoken {
		return
	}
	if d.takes == nil {
		d.takes, d.spoken = make(map[string]EventType), make(map[string]bool)
	}
	e.Name, d.spoken[event] = event, spoken
	d.takes[event] = e
}

// taken is an event with a handler whose reply is an Out.
func taken[Out any](args []reflect.Type) EventType {
	if out := reflect.TypeFor[Out](); out != reflect.TypeFor[None]() {
		return EventType{Args: args, Reply: out, Asks: true}
	}
	return EventType{Args: args}
}

// argTypes is the type of one argument.
func argTypes[T any]() []reflect.Type {
	if t := reflect.TypeFor[T](); t != reflect.TypeFor[None]() {
		return []reflect.Type{t}
	}
	return nil
}

// describe implements Definition.
func (ns *Namespace) describe() (Description, error) {
	if len(ns.faults) > 0 {
		return Description{}, fmt.Errorf("namespace %q: %w", ns.name, ns.faults[0])
	}
	takes := append(slices.Collect(maps.Values(ns.events.takes)),
		EventType{Name: eventRefresh, Args: argTypes[map[string]any](), Reply: reflect.TypeFor[refreshed](), Asks: true})
	emits := append(slices.Clone(ns.events.emits),
		EventType{Name: eventExpiring, Args: argTypes[expiring]()}, EventType{Name: eventRevoked, Args: argTypes[revocation]()})
	for _, all := range [][]EventType{takes, emits} {
		slices.SortStableFunc(all, func(a, b EventType) int { return cmp.Compare(a.Name, b.Name) })
	}
	sameName := func(a, b EventType) bool { return a.Name == b.Name }
	return Description{
		Label: ns.Label(), Takes: takes, Emits: slices.CompactFunc(emits, sameName),
		Success: reflect.TypeFor[success](), Failure: reflect.TypeFor[failure](),
	}, nil
}

// describe implements Definition.
func (f *Family) describe() (d Description, err error) {
	if f.fault != nil || f.define == nil {
		return d, fmt.Errorf("family %q: has no pattern or no function that defines its namespaces", f.label)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("family %q: its function panicked: %v", f.label, p)
		}
	}()
	ns := New("/", f.opts...)
	ns.child = &child{family: f, parts: f.partNames()}
	f.define(ns)
	return ns.describe()
}

// partNames are the parts of the pattern, each standing for itself.
func (f *Family) partNames() map[string]string {
	parts := make(map[string]string)
	for _, name := range f.parts {
		parts[name] = "{" + name + "}"
	}
	return parts
}
