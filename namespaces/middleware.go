package namespaces

import "log/slog"

// Middleware wraps the handling of an event: it may change the event before it calls next, refuse it by returning an
// error instead, look at the acknowledgement, or measure what next takes. The error of a refusal reaches the client
// like the error of a handler.
type Middleware func(next EventFunc) EventFunc

// Use adds a middleware around the handlers of all events, those of OnOther included. The first one added is the
// outermost. An event without a handler passes no middleware.
func (ns *Namespace) Use(m Middleware) {
	ns.define()
	ns.middleware = append(ns.middleware, m)
}

// OnOther registers the handler of every event that has none of its own. Reserved names reach no handler. In metrics and hooks
// these events have no name, since clients can make them up.
func (ns *Namespace) OnOther(h EventFunc) {
	ns.define()
	ns.other = h
}

// OutgoingFunc is told of an event that has been queued for clients. It runs in the goroutine of the sender, under no lock.
type OutgoingFunc func(e Emitted)

// OnOutgoing adds a listener for all events that go out: those for one socket, and broadcasts, each once, on every node that
// has the broadcast. Acknowledgements are no events.
func (ns *Namespace) OnOutgoing(f OutgoingFunc) {
	ns.define()
	ns.outgoing = append(ns.outgoing, f)
}

// listened reports whether there is a listener for outgoing events.
func (ns *Namespace) listened() bool { return len(ns.outgoing) > 0 || len(ns.hooks.emitted) > 0 }

// emitted tells hooks and listeners of an event that went out.
func (ns *Namespace) emitted(e Emitted) {
	for _, f := range ns.outgoing {
		ns.tell(f, e)
	}
	ns.hooks.eventEmitted(ns, e)
}

// tell calls a listener and recovers its panic: the caller may be the adapter.
func (ns *Namespace) tell(f OutgoingFunc, e Emitted) {
	defer func() {
		if p := recover(); p != nil {
			_ = ns.hub.caught(p, "listener of outgoing events", slog.String("namespace", ns.name), slog.String("event", e.Event))
		}
	}()
	f(e)
}

// wrap puts the middleware around the handlers, when all are registered.
func (ns *Namespace) wrap() {
	for i := len(ns.middleware) - 1; i >= 0; i-- {
		m := ns.middleware[i]
		for event, h := range ns.handlers {
			ns.handlers[event] = m(h)
		}
		if ns.other != nil {
			ns.other = m(ns.other)
		}
	}
	ns.middleware = nil
}

// handlerOf returns the handler of an event, or nil, and the event's name for metrics.
func (ns *Namespace) handlerOf(event string) (h EventFunc, label string) {
	if h = ns.handlers[event]; h != nil {
		return h, event
	}
	if CheckEvent(event) != nil {
		return nil, ""
	}
	return ns.other, ""
}
