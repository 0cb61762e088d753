package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy is a compiled [Config]. It knows no sockets, and only answers what is allowed.
// It is safe for concurrent use.
type Policy struct {
	cfg    Config
	admit  *rule
	entry  []template
	rooms  []roomPolicy
	relays []relayPolicy
}

type roomPolicy struct {
	RoomRule
	at         string
	meter      string
	pattern    roomPattern
	join, send *rule
}

type relayPolicy struct {
	ForwardRule
	at    string
	meter string
	allow *rule
	rooms []template
}

// NewPolicy compiles a configuration. parts are the variables of the namespace's name,
// if it is a family. The error names every mistake with its key.
func NewPolicy(cfg Config, parts []string) (*Policy, error) {
	c := compiler{parts: parts}
	p := &Policy{cfg: cfg}
	c.variables("", parts)
	p.admit = c.rule("admit", cfg.Admit, parts)
	for i, text := range cfg.Join {
		p.entry = append(p.entry, c.template(fmt.Sprintf("join[%d]", i), text))
	}
	for i, r := range cfg.Rooms {
		p.rooms = append(p.rooms, c.room(fmt.Sprintf("rooms[%d]", i), r))
	}
	for i, r := range cfg.Relay {
		p.relays = append(p.relays, c.relay(fmt.Sprintf("relay[%d]", i), r))
	}
	return p, errors.Join(c.errs...)
}

// compiler compiles expressions and collects the mistakes.
type compiler struct {
	parts []string
	errs  []error
}

func (c *compiler) add(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// variables refuses names that have a meaning in expressions already.
func (c *compiler) variables(at string, names []string) {
	for _, name := range names {
		if slices.Contains(taken, name) {
			c.add(fmt.Errorf("%s{%s} is a name that every expression knows; take another", at, name))
		}
	}
}

// rule compiles an expression; without one it is nil.
func (c *compiler) rule(at, text string, parts []string) *rule {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	r, err := compile(at, text, parts)
	c.add(err)
	return r
}

func (c *compiler) template(at, text string) template {
	t, err := parseTemplate(text, c.parts)
	if err != nil {
		c.add(fmt.Errorf("%s: %w", at, err))
	}
	return t
}

func (c *compiler) room(at string, r RoomRule) roomPolicy {
	p := roomPolicy{RoomRule: r, at: at, meter: meterOf(at, r.Limits)}
	var err error
	if p.pattern, err = parseRoomPattern(r.Match); err != nil {
		c.add(fmt.Errorf("%s.match: %w", at, err))
		return p
	}
	c.variables(at+".match: ", p.pattern.names)
	for _, name := range p.pattern.names {
		if slices.Contains(c.parts, name) {
			c.add(fmt.Errorf("%s.match: {%s} is a part of the namespace's name too; take another, and compare them in the rule", at, name))
			return p
		}
	}
	known := append(slices.Clone(c.parts), p.pattern.names...)
	p.join = c.rule(at+".join", r.Join, known)
	p.send = c.rule(at+".send", r.Send, known)
	c.add(checkEvents(at+".events", r.Events))
	c.add(r.History.check(at + ".history"))
	c.add(r.Limits.check(at + ".limits"))
	return p
}

func (c *compiler) relay(at string, r ForwardRule) relayPolicy {
	p := relayPolicy{ForwardRule: r, at: at, meter: meterOf(at, r.Limits), allow: c.rule(at+".allow", r.Allow, c.parts)}
	for i, text := range r.Rooms {
		p.rooms = append(p.rooms, c.template(fmt.Sprintf("%s.rooms[%d]", at, i), text))
	}
	switch {
	case len(r.Events) == 0:
		c.add(fmt.Errorf("%s.events: names the events that are passed on", at))
	case r.To != "" && r.To != ToOthers && r.To != ToEveryone:
		c.add(fmt.Errorf("%s.to: %q is neither others nor everyone", at, r.To))
	case (r.To == "") == (len(r.Rooms) == 0):
		c.add(fmt.Errorf("%s: says to or rooms, one of them", at))
	}
	c.add(checkEvents(at+".events", r.Events))
	c.add(r.Limits.check(at + ".limits"))
	if r.Limits.Room != (Limit{}) {
		c.add(fmt.Errorf("%s.limits.room: events that are passed on go to no room of a rule; bound the sockets and users", at))
	}
	return p
}

// Config returns the configuration that the policy was made from.
func (p *Policy) Config() Config { return p.cfg }

// Admit says whether somebody may enter.
func (p *Policy) Admit(f *Facts) (bool, error) {
	if p.admit == nil {
		return true, nil
	}
	allowed, err := p.admit.allows(f)
	return allowed, at("admit", err)
}

// entryRooms are the rooms that somebody is in from the beginning, each once.
func (p *Policy) entryRooms(f *Facts) ([]string, error) {
	var all []string
	for i := range p.entry {
		names, err := p.entry[i].rooms(f)
		if err != nil {
			return nil, at(fmt.Sprintf("join[%d]", i), err)
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Room is what the rules say about a room that a client asks for. The Facts are
// changed: they get the room's name and parts.
type Room struct {
	Name string // in its canonical form
	rule *roomPolicy
}

// ErrNoRule says that no pattern fits the name of a room.
var ErrNoRule = errors.New("no rule is about this room")

// Room finds the rule for a room. The error is [ErrNoRule] or says what is wrong
// with the name; both can be shown to the client.
func (p *Policy) Room(f *Facts, name string) (Room, error) {
	name, err := canonical(name)
	if err != nil {
		return Room{}, err
	}
	for i := range p.rooms {
		r := &p.rooms[i]
		if parts, ok := r.pattern.match(name); ok {
			f.Room = name
			f.Parts = merged(f.Parts, parts)
			return Room{Name: name, rule: r}, nil
		}
	}
	return Room{}, ErrNoRule
}

// merged are the parts of the namespace and of the room, whose names differ.
func merged(outer, inner map[string]string) map[string]string {
	if len(outer) == 0 {
		return inner
	}
	all := make(map[string]string, len(outer)+len(inner))
	for _, parts := range []map[string]string{outer, inner} {
		for name, value := range parts {
			all[name] = value
		}
	}
	return all
}

// Rule is the configuration of the room.
func (r Room) Rule() RoomRule { return r.rule.RoomRule }

// meterOf returns the key by which the limits of a rule are counted: the place of the
// rule, and the limits themselves, because a count under one limit says nothing about
// another.
func meterOf(at string, l LimitRule) string { return fmt.Sprintf("%s %v", at, l) }

// MayJoin says whether the client may join the room.
func (r Room) MayJoin(f *Facts) (bool, error) { return r.rule.join.may(r.rule.at+".join", f) }

// maySend says whether the client may send this event to the room.
func (r Room) maySend(f *Facts) (bool, error) {
	if len(r.rule.Events) > 0 && !fits(r.rule.Events, f.Event) || reserved(f.Event) {
		return false, nil
	}
	return r.rule.send.may(r.rule.at+".send", f)
}

// may is allows for a rule that may be missing: then nobody may.
func (r *rule) may(key string, f *Facts) (bool, error) {
	if r == nil {
		return false, nil
	}
	allowed, err := r.allows(f)
	return allowed, at(key, err)
}

func at(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

// Forward is a rule that passes an event on.
type Forward struct{ rule *relayPolicy }

// Forward finds the rule for an event of Facts, the first that fits.
func (p *Policy) Forward(event string) (Forward, bool) {
	for i := range p.relays {
		if fits(p.relays[i].Events, event) && !reserved(event) {
			return Forward{&p.relays[i]}, true
		}
	}
	return Forward{}, false
}

// Rule is the configuration.
func (r Forward) Rule() ForwardRule { return r.rule.ForwardRule }

// allows says whether the client may send the event.
func (r Forward) allows(f *Facts) (bool, error) {
	if r.rule.allow == nil {
		return true, nil
	}
	allowed, err := r.rule.allow.allows(f)
	return allowed, at(r.rule.at+".allow", err)
}

// Rooms returns the rooms that the event goes to. With none it goes to everyone, or to
// all others.
func (r Forward) Rooms(f *Facts) ([]string, error) {
	var all []string
	for i := range r.rule.rooms {
		names, err := r.rule.rooms[i].rooms(f)
		if err != nil {
			return nil, at(fmt.Sprintf("%s.rooms[%d]", r.rule.at, i), err)
		}
		all = append(all, names...)
	}
	return all, nil
}
