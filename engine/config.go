package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Defaults of Config. Those that a client can see are Node's.
const (
	DefaultPingInterval   = 25 * time.Second
	DefaultPingTimeout    = 20 * time.Second
	DefaultUpgradeTimeout = 10 * time.Second
	DefaultCloseTimeout   = 5 * time.Second
	DefaultPauseTimeout   = 60 * time.Second
	DefaultMessageTimeout = 30 * time.Second
	DefaultMaxPayload     = 1_000_000
	DefaultOutboxBytes    = 16 << 20
	DefaultOutboxAge      = 30 * time.Second
	DefaultOutboxTotal    = 256 << 20
	DefaultIncomingTotal  = 256 << 20
	DefaultCompressAbove  = 1024
)

// Config is what a Server needs to know. The zero value of each field means its
// default.
type Config struct {
	// PingInterval is the time from a PONG to the next PING.
	PingInterval time.Duration
	// PingTimeout is how long the server waits for the PONG.
	PingTimeout time.Duration
	// UpgradeTimeout limits the probe of a new transport.
	UpgradeTimeout time.Duration
	// CloseTimeout is how long a closing session may take to hand over what it
	// holds and to be acknowledged by the peer.
	CloseTimeout time.Duration
	// PauseTimeout limits how long reading may be paused; then the session
	// closes with ReasonOverload.
	PauseTimeout time.Duration
	// MessageTimeout is how long a message or a request body may take from its
	// first byte to its last. One that takes longer must come with 1 KiB a second
	// on average, or its session is closed. It is looked at with the heartbeat.
	MessageTimeout time.Duration

	// MaxPayload limits one WebSocket message and one POST body, in bytes. It is
	// told to the client, which splits its POSTs by it.
	MaxPayload int
	// MaxEarlyPayload is the same limit until Session.Admit or SetMaxMessage raises it;
	// zero means MaxPayload.
	MaxEarlyPayload int
	// EarlyOutboxBytes is OutboxBytes until Session.Admit; zero means OutboxBytes.
	EarlyOutboxBytes int
	// EarlyPackets limits how many packets, WebSocket control frames and requests a
	// session may send before Session.Admit; each 512 bytes of a WebSocket, and of
	// what comes out of a compressed message, count as one more. Above it the
	// session closes with ReasonOverload. Zero means no limit.
	EarlyPackets int
	// EarlyWork is how much work the sessions of one address, IPv6 by /64, may make in
	// a second before Session.Admit, and ten times as much at once: in packets as
	// EarlyPackets counts them, a request of a polling client as 4, a handshake or an
	// upgrade as 16. Above it these sessions are read more slowly, and handshakes are
	// refused with 429. At most 1,000,000. Zero means no limit.
	EarlyWork int
	// MaxClosing limits how many sessions may be closing, each with its connection:
	// one more ends the one that has been closing for longest. Zero means no limit,
	// and so does a Drain.
	MaxClosing int
	// OutboxBytes limits what waits for one client. Over it the session closes
	// with ReasonSlow.
	OutboxBytes int
	// OutboxAge limits for how long a client may take nothing at all while
	// something waits for it. It is looked at four times within it, so that a
	// client is cut at most a quarter later, with ReasonSlow. A client that takes
	// little by little is not stopped by it.
	OutboxAge time.Duration
	// OutboxTotal limits what waits for all clients together, in bytes of memory: a
	// frame counts once with each wire form it is needed in, however many clients
	// it waits for, and the list of each client with 8 bytes a frame. Above seven
	// eighths of it the sessions with the largest backlogs are closed with
	// ReasonSlow. Not counted are up to 16 KiB of frames for a client that takes
	// what it is sent, and what the garbage collector has not found yet.
	OutboxTotal int
	// IncomingTotal limits what is held of what all clients have sent, in bytes:
	// messages that are not complete, request bodies, and what handlers keep by
	// Session.Hold. Above seven eighths of it sessions are closed with
	// ReasonOverload: strangers before those who were admitted, among them the
	// largest of the user who holds most. Not counted are less than 4 KiB a session.
	IncomingTotal int
	// IncomingShare limits what one user may have of it, over all their sessions;
	// who has not been admitted, or is nobody's user, counts by address. Above it
	// the user's own largest sessions are closed. Zero means a quarter of
	// IncomingTotal.
	IncomingShare int
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
	// NoIOUring has each connection written by a system call of its own on Linux
	// too. Otherwise writes of several connections go to the kernel together, where
	// it takes them (io_uring(7)); many containers deny that.
	NoIOUring bool

	// Check, when set, may refuse a handshake before a session exists. It must be
	// safe for concurrent use.
	Check func(*http.Request) *Refusal
	// CheckLater, when set, may refuse a further request of a session: a poll, a
	// POST or an upgrade. h is the session's handler, as accept gave it. The
	// request is refused, the session goes on. The messages of a POST are handed
	// up after it was asked about. It must be safe for concurrent use.
	CheckLater func(r *http.Request, h Handler) *Refusal
	// Refused, when set, hears of requests that the engine itself refuses with a
	// numbered error, such as CodeUnknownSession; not of what Check and CheckLater
	// refuse. It must be safe for concurrent use.
	Refused func(r *http.Request, code int)
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
	// Context, when set, returns what Peer keeps as its Context: r.Context(), when
	// handlers around the Server have put values into it that the session's handler
	// needs. It keeps all that the context refers to as long as the session. It must
	// be safe for concurrent use.
	Context func(r *http.Request) context.Context
	// KeepHeaders names the request headers that Peer keeps, in canonical form.
	KeepHeaders []string

	// Node names this node within a cluster, by letters and digits. Session ids end with it, so that a request that a balancer
	// brought to another node can be handed over. Empty without a cluster.
	Node string
	// Elsewhere is asked to serve a request of a session that another node has, by the name at the end of its id; it reports
	// false, and has done nothing, when there is no such node. May be nil.
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
	setDefault(&c.PingInterval, DefaultPingInterval)
	setDefault(&c.PingTimeout, DefaultPingTimeout)
	setDefault(&c.UpgradeTimeout, DefaultUpgradeTimeout)
	setDefault(&c.CloseTimeout, DefaultCloseTimeout)
	setDefault(&c.PauseTimeout, DefaultPauseTimeout)
	setDefault(&c.MessageTimeout, DefaultMessageTimeout)
	setDefault(&c.MaxPayload, DefaultMaxPayload)
	setDefault(&c.MaxEarlyPayload, c.MaxPayload)
	setDefault(&c.OutboxBytes, DefaultOutboxBytes)
	setDefault(&c.EarlyOutboxBytes, c.OutboxBytes)
	setDefault(&c.OutboxAge, DefaultOutboxAge)
	setDefault(&c.OutboxTotal, DefaultOutboxTotal)
	setDefault(&c.IncomingTotal, DefaultIncomingTotal)
	setDefault(&c.IncomingShare, max(c.IncomingTotal/4, 1))
	setDefault(&c.CompressAbove, DefaultCompressAbove)
	c.Deflate = c.Deflate.withDefaults()
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	durations := []struct {
		name  string
		value time.Duration
	}{
		{"PingInterval", c.PingInterval}, {"PingTimeout", c.PingTimeout},
		{"UpgradeTimeout", c.UpgradeTimeout}, {"CloseTimeout", c.CloseTimeout},
		{"PauseTimeout", c.PauseTimeout}, {"OutboxAge", c.OutboxAge},
		{"MessageTimeout", c.MessageTimeout},
	}
	for _, d := range durations {
		if d.value < time.Millisecond {
			return fmt.Errorf("engine: %s is %v, it must be at least 1ms", d.name, d.value)
		}
	}
	if c.MaxPayload < 1 || c.MaxEarlyPayload < 1 || c.MaxEarlyPayload > c.MaxPayload {
		return errors.New("engine: MaxEarlyPayload and MaxPayload must be positive, the first at most the second")
	}
	if c.EarlyOutboxBytes < 1 || c.EarlyOutboxBytes > c.OutboxBytes || c.EarlyPackets < 0 {
		return errors.New("engine: EarlyOutboxBytes must be positive and at most OutboxBytes, EarlyPackets not negative")
	}
	if c.EarlyWork < 0 || c.EarlyWork > 1_000_000 {
		return errors.New("engine: EarlyWork must be 0 to 1,000,000")
	}
	if c.MaxClosing < 0 {
		return errors.New("engine: MaxClosing must not be negative")
	}
	if c.OutboxBytes < 1 || c.OutboxTotal < 1 {
		return errors.New("engine: OutboxBytes and OutboxTotal must be positive")
	}
	if c.IncomingShare < 1 || c.IncomingTotal < c.IncomingShare {
		return errors.New("engine: IncomingShare must be positive and at most IncomingTotal")
	}
	return c.Deflate.validate()
}
