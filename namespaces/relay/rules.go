package relay

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/backend"
	"gatehouse/namespaces"
)

// rules are the policy in force, and the back end for events that no rule is about.
type rules struct {
	policy  *Policy
	backend *backend.Client // nil: nobody handles other events
}

// Prepare compiles new rules, which come into force when use is called. Sockets stay in the namespace and in their
// rooms. Where a room begins to tell who is there, users who joined it before are announced when they join again. Max
// and Linger stay as they were at Mount. Neither call waits for events that are being decided.
func (r *Relay) Prepare(cfg Config) (use func(), err error) {
	next := new(rules)
	next.policy, err = NewPolicy(cfg, r.parts)
	if cfg.Backend != "" {
		if next.backend = r.backends[cfg.Backend]; next.backend == nil {
			err = errors.Join(err, fmt.Errorf("backend: there is no %q in backends", cfg.Backend))
		}
	}
	if err != nil {
		return nil, err
	}
	return func() { r.rules.Store(next) }, nil
}

// Policy returns the rules in force.
func (r *Relay) Policy() *Policy { return r.rules.Load().policy }

// backend returns the back end for events that no rule is about, or nil.
func (r *Relay) backend() *backend.Client { return r.rules.Load().backend }

// tellRoom tells the back end of a room, if it wants to know.
func (r *Relay) tellRoom(ctx context.Context, s *namespaces.Socket, name, what string, kind backend.Type) {
	if client := r.told(what); client != nil {
		client.Tell(ctx, backend.Event{Type: kind, Namespace: s.Namespace().Name(), Room: name}, r.answered(ctx, s.Namespace()))
	}
}

// told returns the back end if it wants to be told about this kind of event, else nil.
func (r *Relay) told(what string) *backend.Client {
	if client := r.backend(); client != nil && client.Config().Told(what) {
		return client
	}
	return nil
}
