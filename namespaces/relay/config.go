package relay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Config says what one namespace, or each of a family, is: its key in the
// configuration is its name, or a pattern such as "/tenant-{org}".
type Config struct {
	Methods []string      `koanf:"methods" yaml:"methods"` // how one may sign in, as auth.methods; empty is what that says
	Admit   string        `koanf:"admit" yaml:"admit"`     // who may enter; empty is whoever signs in
	Join    []string      `koanf:"join" yaml:"join"`       // rooms at entry: "user:{sub}", "org:{claims.org}"
	Rooms   []RoomRule    `koanf:"rooms" yaml:"rooms"`     // the first that fits decides; none: refused
	Relay   []ForwardRule `koanf:"relay" yaml:"relay"`     // events that are passed on as they are
	Backend string        `koanf:"backend" yaml:"backend"` // who handles the other events; a key of backends
	Linger  time.Duration `koanf:"linger" yaml:"linger"`   // of a family: how long a namespace without sockets stays; zero is 10s
	Max     int           `koanf:"max" yaml:"max"`         // of a family: namespaces at a time; zero is 10000
}

// RoomRule is about the rooms that a pattern names.
type RoomRule struct {
	Match    string      `koanf:"match" yaml:"match"`       // "doc:{org}:{id}"
	Join     string      `koanf:"join" yaml:"join"`         // who may ask for it; empty is nobody
	Send     string      `koanf:"send" yaml:"send"`         // who may send to it; empty is nobody
	Events   []string    `koanf:"events" yaml:"events"`     // names that may be sent; a trailing * stands for any rest; empty is all
	History  HistoryRule `koanf:"history" yaml:"history"`   // what is kept; zero is nothing
	Presence bool        `koanf:"presence" yaml:"presence"` // who is there is told
	Limits   LimitRule   `koanf:"limits" yaml:"limits"`     // for what is sent to such a room
}

// HistoryRule says what a room remembers.
type HistoryRule struct {
	Messages int           `koanf:"messages" yaml:"messages"`
	Bytes    Size          `koanf:"bytes" yaml:"bytes"`
	Age      time.Duration `koanf:"age" yaml:"age"`
}

// On reports whether anything is kept.
func (h HistoryRule) On() bool { return h != HistoryRule{} }

// LimitRule bounds what is sent under a rule: by each socket, and if it says so by each
// user, to each room, and of some events. What is sent must be within all of them.
type LimitRule struct {
	Events Rate   `koanf:"events" yaml:"events"` // a second, of each socket; zero is no limit
	Burst  int    `koanf:"burst" yaml:"burst"`   // events at once; zero is one second's
	Bytes  Rate   `koanf:"bytes" yaml:"bytes"`   // a second; zero is no limit
	Over   string `koanf:"over" yaml:"over"`     // slow, refuse or disconnect; empty is refuse

	User  Limit            `koanf:"user" yaml:"user"`   // of all sockets of a user on this node; whoever has no name counts by address
	Room  Limit            `koanf:"room" yaml:"room"`   // of all that clients of this node send to one room
	Event map[string]Limit `koanf:"event" yaml:"event"` // of each socket, by names of events as in a rule's events
}

// Limit is one bound of a LimitRule.
type Limit struct {
	Events Rate   `koanf:"events" yaml:"events"` // a second; zero is no limit
	Burst  int    `koanf:"burst" yaml:"burst"`   // events at once; zero is one second's
	Bytes  Rate   `koanf:"bytes" yaml:"bytes"`   // a second; zero is no limit
	Over   string `koanf:"over" yaml:"over"`     // slow, refuse or disconnect; empty is refuse
}

// On reports whether anything is bounded.
func (l Limit) On() bool { return l.Events > 0 || l.Bytes > 0 }

// socket is the bound of each socket.
func (l LimitRule) socket() Limit { return Limit{l.Events, l.Burst, l.Bytes, l.Over} }

// Outcomes for a client that asks for more than a limit.
const (
	OverSlow       = "slow"       // is not read from until there is room, and refused after ten seconds of that
	OverRefuse     = "refuse"     // is told when to try again
	OverDisconnect = "disconnect" // is cut
)

// ForwardRule passes events of existing front ends on, with their arguments as they
// are.
type ForwardRule struct {
	Events   []string  `koanf:"events" yaml:"events"`
	Allow    string    `koanf:"allow" yaml:"allow"` // who may; empty is whoever is in
	To       string    `koanf:"to" yaml:"to"`       // others or everyone; empty when rooms are named
	Rooms    []string  `koanf:"rooms" yaml:"rooms"` // templates: "org:{claims.org}"; the sender gets none of it
	Volatile bool      `koanf:"volatile" yaml:"volatile"`
	Meta     bool      `koanf:"meta" yaml:"meta"` // the sender's meta behind the arguments
	Limits   LimitRule `koanf:"limits" yaml:"limits"`
}

// To whom a relayed event goes.
const (
	ToOthers   = "others"
	ToEveryone = "everyone"
)

func (l LimitRule) check(at string) error {
	errs := []error{l.socket().check(at), l.User.check(at + ".user"), l.Room.check(at + ".room")}
	for _, name := range slices.Sorted(maps.Keys(l.Event)) {
		one := at + ".event." + name
		errs = append(errs, checkEvents(one, []string{name}), l.Event[name].check(one))
		if !l.Event[name].On() {
			errs = append(errs, fmt.Errorf("%s: says neither events nor bytes", one))
		}
	}
	return errors.Join(errs...)
}

func (l Limit) check(at string) error {
	var errs []error
	if l.Events < 0 || l.Burst < 0 || l.Bytes < 0 {
		errs = append(errs, fmt.Errorf("%s: a limit is not negative; leave it out for none", at))
	}
	if !l.On() && l != (Limit{}) {
		errs = append(errs, fmt.Errorf("%s: says neither events nor bytes", at))
	}
	switch l.Over {
	case "", OverSlow, OverRefuse, OverDisconnect:
	default:
		errs = append(errs, fmt.Errorf("%s.over: %q is none of slow, refuse, disconnect", at, l.Over))
	}
	return errors.Join(errs...)
}

func (h HistoryRule) check(at string) error {
	if h.Messages < 0 || h.Bytes < 0 || h.Age < 0 {
		return fmt.Errorf("%s: a limit is not negative", at)
	}
	if h.On() && h.Messages == 0 && h.Bytes == 0 {
		return fmt.Errorf("%s: age alone bounds no memory; say messages or bytes", at)
	}
	return nil
}

// checkEvents refuses names that a rule cannot be about.
func checkEvents(at string, names []string) error {
	var errs []error
	for _, name := range names {
		start := strings.TrimSuffix(name, "*")
		switch {
		case name == "" || strings.Contains(start, "*"):
			errs = append(errs, fmt.Errorf("%s: %q is no event name; a * may stand at its end only", at, name))
		case reserved(start):
			errs = append(errs, fmt.Errorf("%s: %q belongs to the server", at, name))
		}
	}
	return errors.Join(errs...)
}

// reserved reports names of events that only the server sends or answers.
func reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	for _, prefix := range []string{"auth:", "room:", "presence:", "history:"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// fits reports whether one of the patterns of event names fits.
func fits(patterns []string, event string) bool {
	for _, p := range patterns {
		if start, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(event, start) || p == event {
			return true
		}
	}
	return false
}
