package namespaces

// Missed is a gap in the operations of another node: this node will not get them, or gets them late after a failover that
// lost them. Its clients may lack events that others have.
type Missed struct {
	Node       string // the other node's id
	Operations uint64 // how many operations; some may have been for other namespaces that share the stream
}

// MissedFunc is told of a gap when the first operation behind it is about to be delivered. It runs in the goroutine that
// delivers operations and must not wait for other nodes. [Broadcast.Local] reaches the sockets of this node, which may lack
// events. Its events come right behind that operation, or later when this node has operations on their way.
type MissedFunc func(m Missed)

// OnMissed adds a function that is told when operations of another node are missing. A namespace with a history tells
// its sockets, so that they read what they lack.
func (ns *Namespace) OnMissed(f MissedFunc) {
	ns.define()
	ns.missed = append(ns.missed, f)
}

// Missed tells the namespace, and [Hooks.OperationsMissed], that operations of another node are missing. It is for adapters.
func (l Local) Missed(m Missed) {
	if l.ns.live() != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			_ = l.ns.hub.caught(p, "function that is told of a gap")
		}
	}()
	l.ns.hooks.operationsMissed(l.ns, m)
	for _, f := range l.ns.missed {
		f(m)
	}
}
