package relay

import (
	"gatehouse/backend"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Describe returns the events that clients of a configured namespace send and get, without starting anything. The
// events that a back end emits, or publishes through the interface for back ends, are not known: a room whose rule
// names no events stands for all of them.
func Describe(label string, cfg Config, backends map[string]backend.Config) (namespaces.Description, error) {
	parts, err := partsOf(label)
	if err != nil {
		return namespaces.Description{}, err
	}
	policy, err := NewPolicy(cfg, parts)
	if err != nil {
		return namespaces.Description{}, err
	}
	ns := namespaces.New(label)
	described := new(Relay)
	described.rules.Store(&rules{policy: policy})
	described.define(ns, nil)
	if cfg.Backend != "" {
		for _, name := range orAll(backends[cfg.Backend].Events) {
			namespaces.Takes[packet.Args, any](ns, name)
		}
	}
	return namespaces.Describe(ns)
}

// declare declares the events that the rules let through; the handlers of a relay declare theirs themselves.
func (r *Relay) declare(ns *namespaces.Namespace) {
	namespaces.Takes[sendRequest, sent](ns, "room:send")
	presence, history := false, false
	for _, rule := range r.Policy().rooms {
		presence, history = presence || rule.Presence, history || rule.History.On()
		for _, name := range orAll(rule.Events) {
			namespaces.Emits2[any, meta](ns, name)
		}
	}
	if presence {
		for _, name := range []string{"presence:joined", "presence:left", "presence:state"} {
			namespaces.Emits[change](ns, name)
		}
		namespaces.Emits[count](ns, "presence:count")
	}
	if history {
		namespaces.Emits[missed](ns, "history:missed")
	}
	for _, rule := range r.Policy().relays {
		for _, name := range rule.Events {
			namespaces.Takes[packet.Args, struct{}](ns, name)
			namespaces.Emits[packet.Args](ns, name)
		}
	}
}

// orAll returns the names, or "*" where there are none.
func orAll(names []string) []string {
	if len(names) == 0 {
		return []string{"*"}
	}
	return names
}
