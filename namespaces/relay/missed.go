package relay

import (
	"strings"

	"gatehouse/namespaces"
)

// missed is sent to a room with a history when its members may lack events: they read them with history:get.
type missed struct {
	Room string `json:"room"`
}

// missed tells the rooms of this node that have a history about a gap. It does so in a goroutine, beside deliveries;
// gaps that come before it has ended are reported together.
func (r *Relay) missed(ns *namespaces.Namespace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gaps[ns] {
		return
	}
	r.gaps[ns] = true
	r.settling.Go(func() { r.tellMissed(ns) })
}

func (r *Relay) tellMissed(ns *namespaces.Namespace) {
	r.mu.Lock()
	delete(r.gaps, ns)
	var rooms []string
	for k := range r.occupied {
		if name, room, _ := strings.Cut(k, "\x00"); name == ns.Name() {
			rooms = append(rooms, room)
		}
	}
	r.mu.Unlock()
	for _, room := range rooms {
		if r.Remembers(ns.Name(), room) {
			_ = ns.In(room).Local().Emit("history:missed", missed{room}) // fails when the hub closes
		}
	}
}
