package adminui

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/namespaces"
)

// Name is the namespace that the interface connects to.
const Name = "/admin"

const (
	statsEvery   = 2 * time.Second // as in Node's server; the interface relies on it
	watchedFor   = 3 * statsEvery  // how long a node relies on another node's word that somebody watches
	mostEvents   = 500             // how many events a second are shown; more are left out
	mostShown    = 1 << 20         // how many bytes a second are shown of their names, arguments and rooms, and of the rooms of recovered sockets
	mostOfEvent  = 64 << 10        // how many bytes are shown of one event's arguments; of larger ones only the size is shown
	mostSockets  = 10_000          // how many sockets are in the list that a new watcher gets
	mostListed   = 4 << 20         // how many bytes that list may take: a quarter of what may wait for a client
	mostSpaces   = 1000            // how many namespaces the statistics show; of more only the sum is shown
	mostText     = 512             // how many bytes are shown of what a client says about itself, and of the names of a broadcast's rooms
	listPatience = 5 * time.Second // how long to wait for the sockets of other nodes
)

// UI is the interface of one node.
type UI struct {
	cfg   Config
	door  door
	ns    *namespaces.Namespace
	host  string
	began time.Time

	until   atomic.Int64 // in nanoseconds: until when somebody watches
	here    atomic.Int64 // who watches on this node
	traffic Traffic

	mu     sync.Mutex      // guards what follows
	shown  limit.Allowance // events
	bytes  limit.Allowance // of events
	ticks  bool            // a goroutine sends numbers
	closed bool
	group  sync.WaitGroup
	stop   chan struct{}
}

// New makes the interface. The error is that of [Config.Check]. Mount it with [UI.Definition], give [UI.Hooks] to the
// hub, and call [UI.Close] after the hub has been closed.
func New(cfg Config) (*UI, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	u := &UI{cfg: cfg.withDefaults(), began: time.Now(), stop: make(chan struct{})}
	u.host, _ = os.Hostname() // a name for people
	if u.cfg.Server == "" {
		u.cfg.Server = u.host
	}
	u.door.now.Store(newGate(u.cfg))
	u.ns = namespaces.New(Name, namespaces.WithGate(&u.door))
	u.ns.OnConnect(u.connected)
	u.ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, _ string) {
		if _, counted := namespaces.Data[watcher](s); counted { // its connect handler did run
			u.here.Add(-1)
		}
	})
	u.ns.OnServer(watching, u.otherWatches)
	u.ns.OnServer(describes, u.ownSockets)
	if !u.cfg.ReadOnly {
		u.defineCommands()
	}
	return u, nil
}

// SetAccess changes the name, the password and the scope by which operators come in. Operators who are connected stay;
// sessions of another name or password have ended. The hash must be one that [Config.Check] accepts.
func (u *UI) SetAccess(username string, passwordHash handshake.Secret, scope string) {
	now := u.door.now.Load()
	cfg := now.cfg
	cfg.Username, cfg.PasswordHash, cfg.Scope = username, passwordHash, scope
	u.door.now.Store(now.with(cfg.withDefaults()))
}

// Definition is the namespace.
func (u *UI) Definition() namespaces.Definition { return u.ns }

// Traffic is the counter that the server counts its connections with.
func (u *UI) Traffic() *Traffic { return &u.traffic }

// Close ends everything that the interface has started.
func (u *UI) Close() {
	u.mu.Lock()
	if !u.closed {
		u.closed = true
		close(u.stop)
	}
	u.mu.Unlock()
	u.group.Wait()
}

// watcher is the data of a socket that counts as watching.
type watcher struct{}

// watched reports whether somebody watches, on any node.
func (u *UI) watched() bool { return u.until.Load() > time.Now().UnixNano() }

func (u *UI) connected(ctx context.Context, s *namespaces.Socket) {
	s.SetData(watcher{})
	u.here.Add(1)
	u.watch()
	if gate := u.door.now.Load(); s.Identity().Method != "token" && gate.cfg.PasswordHash != "" && !gate.cfg.Open {
		_ = s.Emit("session", gate.session()) // an error: it has gone again
	}
	features := []string{"AGGREGATED_EVENTS", "ALL_EVENTS"}
	if !u.cfg.ReadOnly {
		features = append(features, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	_ = s.Emit("config", map[string]any{"supportedFeatures": features})
	list := u.everySocket(ctx)
	_ = s.Emit("all_sockets", list.all)
	if list.full {
		u.cfg.Logger.Warn("the admin interface is shown some of the sockets: there are too many, or they are in too many rooms", "user", s.Identity().Subject, "shown", len(list.all))
	}
	_ = s.Emit("server_stats", u.stats())
	u.cfg.Logger.Info("somebody watches in the admin interface", "user", s.Identity().Subject, "address", s.Request().RemoteAddr.String(), "readOnly", u.cfg.ReadOnly)
}

// watch notes that somebody watches here, and tells the other nodes.
func (u *UI) watch() {
	u.until.Store(time.Now().Add(watchedFor).UnixNano())
	_ = u.ns.ServerEmit(watching) // an error: the server is ending
	u.tick()
}

// tick begins to send numbers, unless somebody does it.
func (u *UI) tick() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ticks || u.closed {
		return
	}
	u.ticks = true
	u.traffic.on.Store(true)
	u.group.Go(u.run)
}

// run sends numbers as long as somebody watches.
func (u *UI) run() {
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-u.stop:
			return
		}
		if u.here.Load() > 0 {
			u.watch()
		}
		if !u.watched() && u.end() {
			return
		}
		_ = u.ns.Emit("server_stats", u.stats())
	}
}

// end stops the numbers, unless somebody has come meanwhile.
func (u *UI) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ticks = u.watched()
	u.traffic.on.Store(u.ticks)
	return !u.ticks
}

// show sends something to the watchers, if there are any.
func (u *UI) show(event string, args ...any) { _ = u.ns.Volatile().Emit(event, args...) }

// mayShow counts an event of an application and its bytes, and reports whether it is within the limits of a second.
func (u *UI) mayShow(size int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if u.shown.WaitN(now, 1, mostEvents, time.Second/mostEvents) > 0 {
		return false
	}
	if u.bytes.TakeN(now, size, mostShown, time.Second/mostShown) > 0 {
		return false
	}
	return u.shown.Take(now, mostEvents, time.Second/mostEvents) == 0
}

// mayList counts the rooms of a socket that has come back with them. Beyond the bytes that are shown in a second the
// rest is left out, as thousands of clients may come back at once, each in a thousand rooms. Operators who come later
// see all rooms.
func (u *UI) mayList(rooms []string) bool {
	size := 0
	for _, room := range rooms {
		size += len(room) + len(`"",`)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes.TakeN(time.Now(), size, mostShown, time.Second/mostShown) == 0
}

// hidden reports whether a room is one of the server's own.
func hidden(room string) bool { return strings.HasPrefix(room, "\x00") }
