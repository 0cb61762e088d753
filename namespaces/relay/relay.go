package relay

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend"
	"gatehouse/handshake"
	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Deps holds what the namespaces of a configuration share.
type Deps struct {
	Backends map[string]*backend.Client
	History  history.Log   // nil: each namespace remembers for itself
	Grace    time.Duration // how long a user whose connection broke still counts as present; zero means 5s
	Quiet    int           // rooms with more users do not announce joins and leaves, only counts; zero means 500
	Naming   *presence.Naming
	Logger   *slog.Logger // nil: slog.Default
}

// Relay makes one namespace of a policy, or each of a family.
type Relay struct {
	parts    []string // the variables of the namespace's name
	backends map[string]*backend.Client
	history  history.Log
	naming   *presence.Naming
	tracker  *presence.Tracker
	quiet    int
	log      *slog.Logger

	seed  maphash.Seed
	lines [64]sync.Mutex // by room: sending to a room and reading its history take turns

	rules    atomic.Pointer[rules] // those in force
	meters   meters
	settling sync.WaitGroup // goroutines that update presence after moves, and that tell rooms about gaps

	carrying chan struct{}   // holds a token for each change of presence on its way to other nodes
	ended    context.Context // ends with Close
	end      context.CancelFunc

	mu       sync.Mutex // guards what follows
	spaces   map[string]*space
	occupied map[string]int // sockets of this node in a room
	holders  map[string]*holder
	gaps     map[*namespaces.Namespace]bool // namespaces whose rooms are to be told about a gap
}

// New compiles a configuration. parts are the variables of the namespace's name, if it is a
// family. The error names all mistakes. The result must be closed after its hub.
func New(cfg Config, parts []string, deps Deps) (*Relay, error) {
	r := &Relay{
		parts: parts, backends: deps.Backends, history: deps.History, naming: deps.Naming, log: deps.Logger, seed: maphash.MakeSeed(),
		quiet: deps.Quiet, spaces: map[string]*space{}, occupied: map[string]int{}, gaps: map[*namespaces.Namespace]bool{},
		holders: map[string]*holder{}, carrying: make(chan struct{}, carriers),
	}
	use, err := r.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	use()
	if r.history == nil {
		r.history = history.NewMemory(0)
	}
	if r.naming == nil {
		r.naming = new(presence.Naming)
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	if r.quiet == 0 {
		r.quiet = 500
	}
	grace := deps.Grace
	if grace == 0 {
		grace = 5 * time.Second
	}
	r.ended, r.end = context.WithCancel(context.Background())
	r.tracker = presence.New(grace, r.announce)
	return r, nil
}

// Close drops the state that the relay keeps of users whose connection broke.
func (r *Relay) Close() {
	r.tracker.Close()
	r.end()
	r.settling.Wait()
}

// space is a namespace that has sockets.
type space struct {
	ns      *namespaces.Namespace
	sockets int
}

// define gives a namespace the handlers of the relay. parts are the parts of the namespace's
// name, if it is one of a family.
func (r *Relay) define(ns *namespaces.Namespace, parts map[string]string) {
	ns.Admit(func(ctx context.Context, s *namespaces.Socket) error { return r.admit(ctx, s, parts) })
	ns.OnConnect(r.connected)
	ns.OnRefresh(r.refreshed)
	ns.OnDisconnect(r.gone)
	ns.MoveWith(r.moved)
	ns.OnMissed(func(namespaces.Missed) { r.missed(ns) })
	namespaces.On(ns, "room:join", r.join)
	namespaces.On(ns, "room:leave", r.leave)
	namespaces.On(ns, "room:send", r.send)
	namespaces.Handle(ns, "presence:set", r.setState)
	namespaces.On(ns, "presence:get", r.members)
	namespaces.On(ns, "history:get", r.read)
	ns.OnOther(r.other)
	r.declare(ns)
}

// member is the state that the relay keeps of a socket.
type member struct {
	parts     map[string]string
	address   string
	network   string         // by address: the key of sockets without a name
	hidden    string         // the room of the user's sockets
	later     []string       // rooms that the back end put a recovered socket into, until it is connected
	greetings []func() error // what the back end sends once the socket is in; used up by connected
	counted   bool           // among the sockets of its namespace; guarded by the relay's mu
	moved     bool           // recovered from another node, and not counted here yet

	mu      sync.Mutex // guards what follows
	meters  map[string]*meter
	answers nonces
}

// facts returns the input of the rules, with the client as it is now.
func (m *member) facts(s *namespaces.Socket) *Facts {
	return &Facts{Identity: s.Identity(), Address: m.address, Namespace: s.Namespace().Name(), Parts: m.parts}
}

func memberOf(s *namespaces.Socket) *member {
	m, _ := namespaces.Data[*member](s)
	return m
}

// hiddenRoom is the room of a user's sockets. No client can name it: it begins with
// a character that is refused.
func hiddenRoom(user string) string { return "\x00user\x00" + user }

// visible returns the rooms of a socket without its hidden room.
func visible(s *namespaces.Socket) []string {
	return slices.DeleteFunc(s.Rooms(), func(room string) bool { return strings.HasPrefix(room, "\x00") })
}

// admit asks the rules, and the back end if it wants to be asked.
func (r *Relay) admit(ctx context.Context, s *namespaces.Socket, parts map[string]string) error {
	from := s.Request().RemoteAddr
	m := &member{parts: parts, address: from.String(), network: handshake.AddressKey(from).String()}
	if before := memberOf(s); before != nil && s.Recovered() {
		m.goOn(before)
	} else {
		m.moved = s.Recovered()
	}
	s.SetData(m)
	f := m.facts(s)
	allowed, err := r.Policy().Admit(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed {
		return namespaces.Forbidden("You may not enter " + f.Namespace + ".")
	}
	rooms, err := r.Policy().entryRooms(f)
	if err != nil {
		return &namespaces.Error{Code: namespaces.CodeForbidden, Message: "Your sign-in does not name your rooms as " + f.Namespace + " needs it.", Cause: err}
	}
	r.naming.Settle(f.Identity.Issuer)
	m.hidden = hiddenRoom(r.naming.Call(f.Identity.User()))
	if !s.Recovered() { // a recovered socket is in its rooms; refreshed adds those of its present identity
		if err := s.Join(append(rooms, m.hidden)...); err != nil {
			return err
		}
	}
	if client := r.told(backend.OnConnect); client != nil {
		if err := r.askConnect(ctx, s, client); err != nil {
			return err
		}
	}
	return nil
}

// goOn takes over the state of a socket whose client has come back.
func (m *member) goOn(before *member) {
	before.mu.Lock()
	defer before.mu.Unlock()
	m.meters, m.answers = before.meters, before.answers
}

// connected counts a socket that has been admitted; one that was recovered is counted already.
func (r *Relay) connected(ctx context.Context, s *namespaces.Socket) {
	if s.Recovered() {
		m := memberOf(s)
		m.counted = true
		_ = r.joinRoom(ctx, s, m.later...) // fails for a socket that ends, or is in too many
		m.later = nil
		return
	}
	r.countIn(ctx, s)
	m := memberOf(s)
	for _, emit := range m.greetings {
		if err := emit(); err != nil && !errors.Is(err, namespaces.ErrHubClosed) {
			r.log.Error("the back end's events for a new client are not sent", "namespace", s.Namespace().Name(), "cause", err)
		}
	}
	m.greetings = nil
}

// countIn counts a socket that has not been counted here yet.
func (r *Relay) countIn(ctx context.Context, s *namespaces.Socket) {
	name := s.Namespace().Name()
	r.mu.Lock()
	if r.spaces[name] == nil {
		r.spaces[name] = &space{ns: s.Namespace()}
		r.watchFound(s.Namespace())
	}
	r.spaces[name].sockets++
	memberOf(s).counted = true
	r.mu.Unlock()
	r.count(ctx, s, visible(s), 1)
}

// moveIn counts a socket that was recovered from another node, and enters its rooms again.
func (r *Relay) moveIn(ctx context.Context, s *namespaces.Socket) {
	r.countIn(ctx, s)
	f := memberOf(s).facts(s)
	for _, name := range visible(s) {
		if room, err := r.Policy().Room(f, name); err == nil && room.Rule().Presence {
			r.tracker.Enter(key(s, name), r.describe(s), s.ID())
		}
	}
}

// refreshed lets a client stay in the rooms that its new identity may be in.
func (r *Relay) refreshed(ctx context.Context, s *namespaces.Socket, _ handshake.Identity) error {
	m := memberOf(s)
	switch {
	case m.moved:
		m.moved = false
		r.moveIn(ctx, s)
	case s.Recovered():
		m.counted = true // as the socket that it goes on for: it may end before its connect handlers run
	}
	f := m.facts(s)
	allowed, err := r.Policy().Admit(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed {
		return namespaces.Forbidden("You may not be in " + f.Namespace + " any more.")
	}
	entry, err := r.Policy().entryRooms(f)
	if err != nil {
		r.failed(s, err)
	}
	for _, name := range visible(s) {
		if !slices.Contains(entry, name) && !r.mayJoin(s, name) {
			r.leaveRoom(ctx, s, name)
		}
	}
	return r.joinRoom(ctx, s, entry...)
}

// mayJoin says whether the client may be in a room by a rule about rooms.
func (r *Relay) mayJoin(s *namespaces.Socket, name string) bool {
	f := memberOf(s).facts(s)
	room, err := r.Policy().Room(f, name)
	if err != nil {
		return false
	}
	allowed, err := room.MayJoin(f)
	if err != nil {
		r.failed(s, err)
	}
	return allowed
}

// failed logs that a rule could not be evaluated. Such a rule refuses.
func (r *Relay) failed(s *namespaces.Socket, err error) {
	r.log.Warn("a rule failed, which refuses", "namespace", s.Namespace().Name(), "user", s.Identity().Subject, "cause", err)
}

// gone ends the presence of a socket.
func (r *Relay) gone(ctx context.Context, s *namespaces.Socket, reason string) {
	if reason == namespaces.ReasonRecovered || !memberOf(s).counted { // another socket goes on, or its connect handler has not run
		return
	}
	goodbye := reason == namespaces.ReasonClientDisconnect || reason == namespaces.ReasonServerDisconnect || reason == namespaces.ReasonRevoked
	rooms := visible(s)
	for _, name := range rooms {
		r.tracker.Leave(key(s, name), s.Identity().User(), s.ID(), goodbye)
	}
	r.count(ctx, s, rooms, -1)
	r.mu.Lock()
	name := s.Namespace().Name()
	if one := r.spaces[name]; one.sockets > 1 {
		one.sockets--
	} else {
		delete(r.spaces, name)
	}
	r.mu.Unlock()
	if client := r.told(backend.OnDisconnect); client != nil {
		e := r.event(s, backend.Disconnect)
		e.Reason = reason
		client.Tell(ctx, e, r.answered(ctx, s.Namespace()))
	}
}

// key names a room among those of all namespaces of the relay.
func key(s *namespaces.Socket, room string) string { return s.Namespace().Name() + "\x00" + room }

// line is the lock of a room.
func (r *Relay) line(room string) *sync.Mutex {
	return &r.lines[maphash.String(r.seed, room)%uint64(len(r.lines))]
}

// joinRoom adds a socket to rooms and counts it.
func (r *Relay) joinRoom(ctx context.Context, s *namespaces.Socket, names ...string) error {
	names = slices.DeleteFunc(slices.Clone(names), s.Joined)
	if len(names) == 0 {
		return nil
	}
	if err := s.Join(names...); err != nil {
		return err
	}
	r.count(ctx, s, names, 1)
	return nil
}

// leaveRoom takes a socket out of a room, for good: its user has left it at once.
func (r *Relay) leaveRoom(ctx context.Context, s *namespaces.Socket, name string) {
	if !s.Joined(name) {
		return
	}
	s.Leave(name)
	r.tracker.Leave(key(s, name), s.Identity().User(), s.ID(), true)
	r.count(ctx, s, []string{name}, -1)
}

// count notes how many sockets are in rooms and tells the back end of the first and
// the last.
func (r *Relay) count(ctx context.Context, s *namespaces.Socket, rooms []string, by int) {
	for _, name := range rooms {
		k := key(s, name)
		r.mu.Lock()
		before := r.occupied[k]
		now := before + by
		if now <= 0 {
			delete(r.occupied, k)
		} else {
			r.occupied[k] = now
		}
		switch { // under the lock, so that the first and the last come in order; it never waits
		case before == 0 && now > 0:
			r.tellRoom(ctx, s, name, backend.OnOccupied, backend.RoomOccupied)
		case before > 0 && now <= 0:
			r.tellRoom(ctx, s, name, backend.OnVacated, backend.RoomVacated)
		}
		r.mu.Unlock()
	}
}

// announce tells a room who has come or gone.
func (r *Relay) announce(k string, c presence.Change) {
	ns, room := r.spaceOf(k, c.Member)
	if ns == nil {
		return // nobody is left to be told
	}
	if ns.Shared() != nil {
		r.carry(ns, room, c)
		return
	}
	event := map[presence.Kind]string{presence.Joined: "presence:joined", presence.Left: "presence:left", presence.StateSet: "presence:state"}[c.Kind]
	var content any = change{Room: room, Member: c.Member}
	if c.Count > r.quiet {
		if c.Kind == presence.StateSet {
			return
		}
		event, content = "presence:count", count{room, c.Count}
	}
	to := ns.In(room).Volatile()
	if c.Kind == presence.Joined {
		to = to.Except(hiddenRoom(c.Member.User)) // the one who joins has the answer to the join
	}
	if err := to.Emit(event, content); err != nil && !errors.Is(err, namespaces.ErrHubClosed) {
		r.log.Error("changes of presence are not announced", "namespace", ns.Label(), "cause", err)
	}
}

type change struct {
	Room string `json:"room"`
	presence.Member
}

type count struct {
	Room  string `json:"room"`
	Count int    `json:"count"`
}

// other handles events that have no handler here: those that a rule passes on, and those for
// the back end.
func (r *Relay) other(ctx context.Context, s *namespaces.Socket, e namespaces.Event) (packet.Args, error) {
	if forward, ok := r.Policy().Forward(e.Name); ok {
		return r.forward(ctx, s, e, forward)
	}
	if client := r.backend(); client != nil && client.Config().Handles(e.Name) {
		return r.askEvent(ctx, s, e, client)
	}
	return packet.Args{}, &namespaces.Error{Code: namespaces.CodeUnknownEvent, Message: "This namespace has no such event."}
}
