package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"gatehouse/internal/settings"
)

// DefaultCompressAbove is the default of Config.CompressAbove.
const DefaultCompressAbove = 1024

// Limits bound what sessions may take. The tags say of each its default and bounds,
// see package internal/settings; zero means the default.
//
// The heartbeat and MaxPayload have Node's values. OutboxTotal counts a frame once with each wire form it is needed in,
// however many clients it waits for, and the list of each client with 8 bytes a frame; above seven eighths of it the
// sessions with the largest backlogs are closed with ReasonSlow. Not counted are up to 16 KiB of frames for a client
// that takes what it is sent, and what the garbage collector has not found yet. IncomingTotal counts messages that are
// not complete, request bodies, and what handlers keep by Session.Hold, but not less than 4 KiB a session; above seven
// eighths of it sessions are closed with ReasonOverload. MessageTimeout is checked with the heartbeat, and OutboxAge
// four times within that age, so that a client is cut at most a quarter later.
type Limits struct {
	PingInterval   time.Duration `koanf:"ping_interval" default:"25s" doc:"from a PONG to the next PING"`
	PingTimeout    time.Duration `koanf:"ping_timeout" default:"20s" doc:"how long a PONG may take"`
	UpgradeTimeout time.Duration `koanf:"upgrade_timeout" default:"10s" doc:"how long an upgrade may take"`
	CloseTimeout   time.Duration `koanf:"close_timeout" default:"5s" doc:"how long a closing connection has for the rest"`
	PauseTimeout   time.Duration `koanf:"pause_timeout" default:"60s" doc:"how long a client may be slowed down by not being read; then its connection closes"`
	MessageTimeout time.Duration `koanf:"message_timeout" default:"30s" doc:"how long a message or a POST may take to come; after it, it must have come with 1 KiB a second on average"`
	MaxPayload     int           `koanf:"max_payload" default:"1000000" unit:"bytes" doc:"the largest message of an admitted client, and the largest POST; told to the client"`
	OutboxBytes    int           `koanf:"outbox_bytes" default:"16MiB" unit:"bytes" doc:"what may wait for one client; more is a slow consumer, and its connection closes; at least six times chat.history_bytes"`
	OutboxAge      time.Duration `koanf:"outbox_age" default:"30s" doc:"how long a client may take nothing of what waits, before it is a slow consumer too; looked at four times within it"`
	OutboxTotal    int           `koanf:"outbox_total" default:"256MiB" max:"none" unit:"bytes" doc:"memory of all that waits, shared frames once; near it those for whom most waits are cut"`
	IncomingTotal  int           `koanf:"incoming_total" default:"256MiB" max:"none" unit:"bytes" doc:"memory of what clients have sent and what is not complete or waits for its handler; near it connections end, strangers' first, then the largest of the user who holds most"`
	IncomingShare  int           `koanf:"incoming_share" derived:"a quarter of engine.incoming_total" max:"none" atmost:"IncomingTotal" unit:"bytes" doc:"what one user, or the strangers of one address, may have of engine.incoming_total; at least twice engine.max_payload"`
}

// Derive fills the limits whose defaults follow from others.
func (l *Limits) Derive() { setDefault(&l.IncomingShare, max(l.IncomingTotal/4, 1)) }

// Early bounds sessions that are not admitted, see Session.Admit. Zero means the
// default.
type Early struct {
	EarlyLimits
	AddressLimits
}

// EarlyLimits bound one session. Its packets are those of Engine.IO, WebSocket
// control frames and requests; the bytes that count as more packets are those of a
// WebSocket and of what comes out of a compressed message. A session with more
// packets closes with ReasonOverload.
type EarlyLimits struct {
	MaxPayload  int `koanf:"max_payload" derived:"at most engine.max_payload" unit:"bytes" doc:"the largest message before admission"`
	OutboxBytes int `koanf:"outbox_bytes" default:"64KiB" unit:"bytes" doc:"what may wait for a client before admission"`
	MaxPackets  int `koanf:"max_packets" default:"1024" doc:"packets and requests of a connection before admission; each 512 bytes count as one more; above it the connection ends"`
}

// DeriveFrom fills the limits whose defaults follow from those of all sessions.
func (e *EarlyLimits) DeriveFrom(all Limits) { setDefault(&e.MaxPayload, min(64<<10, all.MaxPayload)) }

// AddressLimits bound all sessions of one address, IPv6 by /64, together. Packets
// are counted as EarlyLimits counts them.
type AddressLimits struct {
	WorkPerAddress int `koanf:"work_per_address" default:"50000" max:"1000000" unit:"packets a second" doc:"work of one address for connections in no namespace, and ten times as much at once: a packet is one, a request of a polling client 4, a handshake or an upgrade 16; above it these connections are read more slowly, and handshakes get 429"`
}

// Config is what a Server needs to know. The zero value of each field means its
// default.
type Config struct {
	Limits

	// Early bounds sessions until Session.Admit. Nil means that Limits alone do.
	Early *Early
	// MaxClosing limits how many sessions may be closing, each with its connection:
	// one more ends the one that has been closing for longest. Zero means no limit,
	// and so does a Drain.
	MaxClosing int
	// CompressAbove is the size in bytes from which polling responses are
	// gzipped for clients that accept it; negative turns compression off.
	CompressAbove int

	// Deflate is the compression of WebSocket messages; the zero value is off.
	Deflate Deflate

	// OpenApart writes the answer to a WebSocket handshake and the open packet in two
	// writes instead of one: some clients and proxies lose what comes in one segment
	// with the head. It costs a system call for each connection.
	OpenApart bool
	// NoUpgrades offers no upgrade to polling clients.
	NoUpgrades bool
	// NoPolling and NoWebSocket refuse a transport, as unknown. Without WebSockets no
	// upgrade is offered either.
	NoPolling, NoWebSocket bool
	// Portable keeps to one goroutine per connection on Linux too.
	Portable bool
	// NoIOUring writes to each connection by a system call of its own on Linux too.
	// Otherwise writes to several connections go to the kernel in one call, where it
	// allows that (io_uring(7)); many containers do not.
	NoIOUring bool

	// Check, when set, may refuse a handshake before a session exists. It must be
	// safe for concurrent use.
	Check func(*http.Request) *Refusal
	// CheckLater, when set, may refuse a further request of a session: a poll, a POST or an upgrade. h is the session's
	// handler, as accept gave it. When it refuses, the session goes on. It is asked about a POST before the messages of
	// that POST are handed up. It must be safe for concurrent use.
	CheckLater func(r *http.Request, h Handler) *Refusal
	// Refused, when set, is told of requests that the engine itself refuses with a numbered error, such as
	// CodeUnknownSession, but not of those that Check and CheckLater refuse. It must be safe for concurrent use.
	Refused func(r *http.Request, code int)
	// Slowed, when set, is told of a session that is read more slowly, or whose request waits, because its address has
	// spent AddressLimits.WorkPerAddress. It may be called again and again for one session. It is called with locks of the
	// session held, must not block, and must be safe for concurrent use.
	Slowed func(h Handler)
	// Upgraded, when set, is told how long the upgrade of a session took from its request, and whether it was completed,
	// or given up after UpgradeTimeout or an error of the client. h is the session's handler. It must be safe for
	// concurrent use, and return soon.
	Upgraded func(h Handler, took time.Duration, done bool)
	// IdleTimeout is how long a connection that the listener of Intercept keeps may be silent between two requests before
	// it is closed, as http.Server.IdleTimeout; 0 means 75 seconds.
	IdleTimeout time.Duration
	// MaxSilent is how many such connections may be silent, of users and of others each: each
	// holds a file. One more closes the one that is silent for longest. 0 means 1024.
	MaxSilent int
	// GivenBack, when set, is told of a connection that the listener of Intercept has kept and now returns from Accept, if
	// it has carried requests of a user, for whose session Admit was called. It must be safe for concurrent use.
	GivenBack func(net.Conn)
	// Subprotocol, when set, picks the WebSocket subprotocol among those that the
	// client offered; an empty string picks none. An error refuses the request.
	Subprotocol func(*http.Request) (string, error)
	// AllowOrigin decides about the CORS headers; nil allows no foreign origin.
	AllowOrigin func(*http.Request) bool
	// ClientAddr, when set, tells the client's address, by which strangers count,
	// behind a proxy. Nil means the address of the connection. It must be safe for
	// concurrent use.
	ClientAddr func(*http.Request) netip.Addr
	// Headers, when set, adds header fields to the answer of each request, the 101 of
	// a WebSocket among them; those that the protocol needs it cannot change there. A
	// request without a sid in its query opens a session. It must be safe for
	// concurrent use.
	Headers func(h http.Header, r *http.Request)
	// Context, when set, returns the context that Peer keeps, usually r.Context(): handlers around the Server may have put
	// values into it that the session's handler needs. Everything that the context refers to stays in memory as long as
	// the session. It must be safe for concurrent use.
	Context func(r *http.Request) context.Context
	// KeepHeaders names the request headers that Peer keeps, in canonical form.
	KeepHeaders []string

	// Node names this node within a cluster, by letters and digits. Session ids end with it, so that a request that a balancer
	// brought to another node can be handed over. Empty without a cluster.
	Node string
	// Elsewhere is asked to serve a request of a session that another node has, by the name at the end of its id; it does
	// nothing and reports false when there is no such node. May be nil.
	Elsewhere func(w http.ResponseWriter, r *http.Request, node string) bool

	// Random is the source of session ids; nil means crypto/rand.
	Random io.Reader
	// Logger gets panics of handlers; nil means slog.Default().
	Logger *slog.Logger
}

// Refusal is the answer to a handshake that is not let in.
type Refusal struct {
	Status     int           // HTTP status, such as 403 or 503
	Code       int           // Engine.IO error number; 4 is "Forbidden"
	Message    string        // for people
	RetryAfter time.Duration // sent as Retry-After, rounded up to seconds, when positive
}

func (c Config) withDefaults() Config {
	settings.Fill(&c)
	if c.Early != nil {
		early := *c.Early
		settings.Fill(&early)
		early.DeriveFrom(c.Limits)
		early.OutboxBytes = min(early.OutboxBytes, c.OutboxBytes)
		c.Early = &early
	}
	setDefault(&c.CompressAbove, DefaultCompressAbove)
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (e *Early) validate(all Limits) error {
	switch {
	case e == nil:
		return nil
	case e.MaxPayload > all.MaxPayload:
		return errors.New("Early.MaxPayload must be at most MaxPayload")
	}
	return settings.Check(*e, settings.Fields)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	if err := settings.Check(c, settings.Fields); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if err := c.Early.validate(c.Limits); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	switch {
	case c.MaxClosing < 0:
		return errors.New("engine: MaxClosing must not be negative")
	case c.MaxSilent < 0:
		return errors.New("engine: MaxSilent must not be negative")
	case c.IdleTimeout < 0:
		return errors.New("engine: IdleTimeout must not be negative")
	}
	if strings.ContainsFunc(c.Node, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return errors.New("engine: Node must be letters and digits")
	}
	return nil
}
