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
	Methods []string      `koanf:"methods" yaml:"methods"` // how users may sign in, as in auth.methods; empty means auth.methods
	Admit   string        `koanf:"admit" yaml:"admit"`     // who may enter; empty means everybody who signs in
	Join    []string      `koanf:"join" yaml:"join"`       // rooms at entry: "user:{sub}", "org:{claims.org}"
	Rooms   []RoomRule    `koanf:"rooms" yaml:"rooms"`     // the first rule that fits decides; a room that fits none is refused
	Relay   []ForwardRule `koanf:"relay" yaml:"relay"`     // events that are passed on as they are
	Backend string        `koanf:"backend" yaml:"backend"` // which back end handles the other events; a key of backends
	Linger  time.Duration `koanf:"linger" yaml:"linger"`   // for a family: how long a namespace without sockets stays; zero means 10s
	Max     int           `koanf:"max" yaml:"max"`         // for a family: how many namespaces at a time; zero means 10000
}

// RoomRule is about the rooms that a pattern names.
type RoomRule struct {
	Match    string      `koanf:"match" yaml:"match"`       // "doc:{org}:{id}"
	Join     string      `koanf:"join" yaml:"join"`         // who may ask to join; empty means nobody
	Send     string      `koanf:"send" yaml:"send"`         // who may send to the room; empty means nobody
	Events   []string    `koanf:"events" yaml:"events"`     // event names that may be sent; a trailing * stands for any text; empty means all
	History  HistoryRule `koanf:"history" yaml:"history"`   // what is kept; zero is nothing
	Presence bool        `koanf:"presence" yaml:"presence"` // who is there is told
	Limits   LimitRule   `koanf:"limits" yaml:"limits"`     // for events that are sent to such a room
}

// HistoryRule says which events a room remembers.
type HistoryRule struct {
	Messages int           `koanf:"messages" yaml:"messages"`
	Bytes    Size          `koanf:"bytes" yaml:"bytes"`
	Age      time.Duration `koanf:"age" yaml:"age"`
}

// On reports whether anything is kept.
func (h HistoryRule) On() bool { return h != HistoryRule{} }

// LimitRule bounds how much is sent under a rule: by each socket and, if so configured,
// by each user, to each room, and per event name. An event must be within all of these
// limits.
type LimitRule struct {
	Events Rate   `koanf:"events" yaml:"events"` // events a second from each socket; zero means no limit
	Burst  int    `koanf:"burst" yaml:"burst"`   // events at once; zero is one second's
	Bytes  Rate   `koanf:"bytes" yaml:"bytes"`   // a second; zero is no limit
	Over   string `koanf:"over" yaml:"over"`     // slow, refuse or disconnect; empty is refuse

	User  Limit            `koanf:"user" yaml:"user"`   // for all sockets of a user on this node together; a user without a name counts by address
	Room  Limit            `koanf:"room" yaml:"room"`   // for everything that clients of this node send to one room
	Event map[string]Limit `koanf:"event" yaml:"event"` // for each socket, by event names as in a rule's events
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

// socket returns the bound for each socket.
func (l LimitRule) socket() Limit { return Limit{l.Events, l.Burst, l.Bytes, l.Over} }

// Outcomes for a client that asks for more than a limit.
const (
	OverSlow       = "slow"       // is not read until it is within the limit; after ten seconds the event is refused
	OverRefuse     = "refuse"     // is told when to try again
	OverDisconnect = "disconnect" // is cut
)

// ForwardRule passes events of existing front ends on, with their arguments as they
// are.
type ForwardRule struct {
	Events   []string  `koanf:"events" yaml:"events"`
	Allow    string    `koanf:"allow" yaml:"allow"` // who may send it; empty means everybody in the namespace
	To       string    `koanf:"to" yaml:"to"`       // others or everyone; empty when rooms are named
	Rooms    []string  `koanf:"rooms" yaml:"rooms"` // templates: "org:{claims.org}"; the sender does not get the event
	Volatile bool      `koanf:"volatile" yaml:"volatile"`
	Meta     bool      `koanf:"meta" yaml:"meta"` // append the sender's meta to the arguments
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

// checkEvents refuses event names that a rule cannot have.
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
