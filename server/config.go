package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/relay"
	"gatehouse/server/api"
)

// Config says how a server runs. The zero value of a field means its default,
// which its comment gives. [New] checks the whole once, with [Config.Check].
type Config struct {
	// Addr is where Run listens, HOST:PORT. Default ":3000"; with Dev
	// "127.0.0.1:3000".
	Addr string `koanf:"addr"`

	// Path is where the realtime endpoint is, and below it the client bundle; what
	// the option path of the client says. Default "/socket.io/".
	Path string `koanf:"path"`

	// NoClient serves no client bundle below Path. Default false.
	NoClient bool `koanf:"no_client"`

	// KeepHeaders names headers of the request that opens a session which handlers
	// find in Socket.Request, besides those that the gate reads. They stay as long as
	// the session. Default none.
	KeepHeaders []string `koanf:"keep_headers"`

	// Dev opens what must not be open in production: the demo login, which
	// gives a token to anybody, and the pages of all localhost origins.
	Dev bool `koanf:"dev"`

	// Pages serves the demo's pages, the chat at / and the auth lab, outside dev
	// mode, too. Default false.
	Pages bool `koanf:"pages"`

	// TrustedProxies are the addresses and networks of the proxies whose
	// X-Forwarded-For and X-Forwarded-Proto are believed. Default: none.
	TrustedProxies []string `koanf:"trusted_proxies"`

	// Who is let in; see package handshake for each part.
	Auth          handshake.AuthConfig          `koanf:"auth"`
	JWT           handshake.JWTConfig           `koanf:"jwt"`
	Issuers       []handshake.JWTConfig         `koanf:"issuers"`
	Origins       handshake.OriginConfig        `koanf:"origins"`
	Tickets       handshake.TicketConfig        `koanf:"tickets"`
	Subprotocol   handshake.SubprotocolConfig   `koanf:"subprotocol"`
	Cookie        handshake.CookieConfig        `koanf:"cookie"`
	Basic         handshake.BasicConfig         `koanf:"basic"`
	Certificate   handshake.CertificateConfig   `koanf:"certificate"`
	ProxyHeader   handshake.ProxyHeaderConfig   `koanf:"proxy_header"`
	Callback      handshake.CallbackConfig      `koanf:"callback"`
	Introspection handshake.IntrospectionConfig `koanf:"introspection"`
	Revocation    handshake.RevocationConfig    `koanf:"revocation"`

	TLS     TLS     `koanf:"tls"`
	Door    Door    `koanf:"door"`
	Redis   Redis   `koanf:"redis"`
	Cluster Cluster `koanf:"cluster"`
	Admin   Admin   `koanf:"admin"`

	// API is for back ends: who may use /api/v1/ to publish and to see who is there.
	API api.Config `koanf:"api"`

	// AdminUI is for Socket.IO's admin interface.
	AdminUI AdminUI `koanf:"admin_ui"`

	// History is what rooms of Namespaces remember.
	History History `koanf:"history"`

	Log    Log    `koanf:"log"`
	Engine Engine `koanf:"engine"`

	Compression Compression `koanf:"compression"`

	Handshake Handshake `koanf:"handshake"`
	Sockets   Sockets   `koanf:"sockets"`
	Session   Session   `koanf:"session"`
	Recovery  Recovery  `koanf:"recovery"`
	Limits    Limits    `koanf:"limits"`
	Packet    Packet    `koanf:"packet"`
	HTTP      HTTP      `koanf:"http"`
	Drain     Drain     `koanf:"drain"`

	// Handler serves the requests for all paths that are not the server's own, of
	// Run, Serve and [Server.Handler]. It must end what it begins by itself; the
	// time for a body and an answer is limited as for the server's own paths.
	// Default: 404, or the pages with Dev or Pages.
	Handler http.Handler `koanf:"-"`

	// Namespaces are those that rules make: by their names, or by patterns such as
	// "/tenant-{org}" for a family of them. Backends handle their events.
	Namespaces map[string]relay.Config   `koanf:"-"`
	Backends   map[string]backend.Config `koanf:"-"`

	// AllowRequest may refuse an Engine.IO handshake before there is a session, after
	// the server's own checks: by a *handshake.Refusal, whose code says the HTTP
	// status; any other error counts as "unavailable" and is logged. It must be safe
	// for concurrent use.
	AllowRequest func(r *http.Request) error `koanf:"-"`
	// Headers adds header fields to all answers of the realtime endpoint, the 101 of a
	// WebSocket among them. It must be safe for concurrent use.
	Headers func(h http.Header, r *http.Request) `koanf:"-"`
	// Context makes of the request that opens a session a context whose values all
	// handlers of its sockets find in theirs: r.Context() for what a handler around
	// [Server.Handler] has learned. What it refers to stays as long as the session.
	// Run and Serve open most WebSockets without net/http, and r.Context() is empty
	// then. It must be safe for concurrent use.
	Context func(r *http.Request) context.Context `koanf:"-"`

	// Verifiers of a program that embeds the server are asked before the
	// configured ones.
	Verifiers []handshake.Verifier `koanf:"-"`
	// Adapter makes the adapter of each namespace, see namespaces.Config; nil: the
	// server is alone.
	Adapter func(ctx context.Context, local namespaces.Local) (namespaces.Adapter, error) `koanf:"-"`
	// Hooks of a program that embeds the server are told what happens in the
	// namespaces.
	Hooks []namespaces.Hooks `koanf:"-"`
	// Registry of a program that embeds the server gets the server's metrics too, until the server has
	// ended. A name that is taken in it is an error of New; a registry for several
	// servers is wrapped with a label for each, see
	// prometheus.WrapRegistererWith. Default none: /metrics has them.
	Registry prometheus.Registerer `koanf:"-"`
	// ExternalTLS says that the program serves Handler on a listener of its own
	// that has TLS, so that what needs TLS can be switched on.
	ExternalTLS bool `koanf:"-"`
	// Version is the program's, which a cluster shows. Default none.
	Version string `koanf:"-"`
	// Logger gets the log; nil means slog.Default(). Levels that are off cost
	// nothing. Writing to it should not wait: see [NewLogger].
	Logger *slog.Logger `koanf:"-"`
}

// The sections below say of each key in its tags: default, what it is where
// nothing is set; min and max, its bounds (from 1 to 1 GiB, or from 1ms, where
// there are none); oneof, the words that it may be; unit, of which sizes and rates
// may be written with; derived, what its default follows from; and doc, what it
// means, which is the text of docs/configuration.md too. See limits.go.

// Log says what is logged, and how.
type Log struct {
	Level  string `koanf:"level" default:"info" oneof:"debug,info,warn,error" doc:"what is logged: this and what is worse"`
	Format string `koanf:"format" default:"json" oneof:"json,console" doc:"the form of the log"`
}

// Engine limits the Engine.IO sessions.
type Engine struct {
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
	IncomingShare  int           `koanf:"incoming_share" derived:"a quarter of engine.incoming_total" max:"none" unit:"bytes" doc:"what one user, or the strangers of one address, may have of engine.incoming_total; at least twice engine.max_payload"`
	OpenApart      bool          `koanf:"open_apart" doc:"the first packet of a WebSocket comes in a write of its own behind the 101, for clients and proxies that lose what comes in one segment with it"`
	NoUpgrades     bool          `koanf:"no_upgrades" doc:"polling clients stay there: they are offered no WebSocket"`
	Transports     string        `koanf:"transports" default:"both" oneof:"both,polling,websocket" doc:"what clients may use; the other transport is refused as unknown"`
	Cookie         string        `koanf:"cookie" doc:"name of a cookie, such as io, for balancers that keep a client on one node by it; its value is random and no credential"`
	IOUring        string        `koanf:"io_uring" default:"auto" oneof:"auto,off" doc:"on Linux, writes of several connections go to the kernel in one call where it allows that (io_uring), which many containers do not; off: one call each. The log says at start which it is"`
}

// Compression says what is compressed on its way, for clients that can read it.
// A secret and what a stranger makes the server say beside it do not belong into
// one compressed message: its length tells of both (the BREACH attack).
type Compression struct {
	WebSocket       string `koanf:"websocket" default:"off" oneof:"on,off" doc:"permessage-deflate (RFC 7692) for clients that offer it"`
	Polling         string `koanf:"polling" default:"on" oneof:"on,off" doc:"gzip of polling answers"`
	Threshold       int    `koanf:"threshold" default:"1KiB" unit:"bytes" doc:"messages and answers from this size are compressed"`
	ContextTakeover string `koanf:"context_takeover" default:"none" oneof:"none,server,client,both" doc:"who may refer to earlier messages of a WebSocket; with server a broadcast is compressed for each receiver, not once"`
	Level           int    `koanf:"level" default:"1" max:"9" doc:"1, fastest, to 9, smallest; of WebSockets"`
	Window          int    `koanf:"window" default:"12" min:"9" max:"15" doc:"what a connection keeps for each direction with takeover, as a power of two: 12 is 4 KiB"`
}

// Handshake limits what happens before a client is admitted.
type Handshake struct {
	Timeout      time.Duration `koanf:"timeout" default:"10s" doc:"how long a connection may be in no namespace"`
	AdmitTimeout time.Duration `koanf:"admit_timeout" derived:"at most handshake.timeout" doc:"one admission, the verifiers included"`
	MaxPayload   int           `koanf:"max_payload" derived:"at most engine.max_payload" unit:"bytes" doc:"the largest message before admission"`
	OutboxBytes  int           `koanf:"outbox_bytes" default:"64KiB" unit:"bytes" doc:"what may wait for a client before admission"`
	MaxPackets   int           `koanf:"max_packets" default:"1024" doc:"packets and requests of a connection before admission; each 512 bytes count as one more; above it the connection ends"`
	MaxPending   int           `koanf:"max_pending" default:"16384" doc:"connections in no namespace; one more closes the oldest; never more than half of the files that the process may open"`
	MaxConnects  int           `koanf:"max_connects" default:"256" doc:"CONNECTs of one connection in a minute; more are refused with rate_limited"`
	MaxRefusals  int           `koanf:"max_refusals" default:"16" doc:"refused CONNECTs in a row; one more closes the connection"`
}

// Session is about the time for which somebody is in.
type Session struct {
	ExpiryNotice    time.Duration `koanf:"expiry_notice" default:"60s" doc:"how long before its identity ends a client is told with auth:expiring; of a short life the last quarter"`
	ExpiryGrace     time.Duration `koanf:"expiry_grace" default:"5s" doc:"how long a socket outlives its token that was not refreshed"`
	MaxPerUser      int           `koanf:"max_per_user" derived:"a twentieth of the files that the process may open" min:"0" doc:"connections of one user on this node; one more ends the oldest"`
	RefreshBurst    int           `koanf:"refresh_burst" default:"8" doc:"how many times a client may refresh its identity at once"`
	RefreshInterval time.Duration `koanf:"refresh_interval" default:"5s" doc:"how often after that"`
}

// Recovery is what is kept for clients whose connection breaks, so that they go on
// with their rooms and what they missed; see namespaces.Recovery.
type Recovery struct {
	For      time.Duration `koanf:"for" derived:"off" min:"0s" doc:"how long a client may be away and still go on where it stopped"`
	Messages int           `koanf:"messages" default:"256" max:"1048576" doc:"how many messages are kept of what each socket was sent; what a broadcast sends to many is kept once"`
	Bytes    int           `koanf:"bytes" default:"256KiB" unit:"bytes" doc:"their bytes"`
	Parked   int           `koanf:"parked" default:"10000" doc:"sockets that may wait for their clients at once; one more ends the oldest of the user who has most of them"`
}

// Limits says how fast admitted clients are read: so much in a second, and ten times
// as much at once. Nothing above it is refused; the connection is read more slowly.
// Who has no name counts by address, IPv6 by /64.
type Limits struct {
	SocketEvents int `koanf:"socket_events" default:"2000" unit:"per second" doc:"events and acknowledgements of one socket in a second; ten times as many may come at once; above it the connection is read more slowly, nothing is refused"`
	SocketBytes  int `koanf:"socket_bytes" default:"16MiB" unit:"bytes per second" doc:"their bytes"`
	UserEvents   int `koanf:"user_events" default:"20000" unit:"per second" doc:"the same for all sockets of a user on this node; who has no name counts by address"`
	UserBytes    int `koanf:"user_bytes" default:"64MiB" unit:"bytes per second" doc:"their bytes"`
}

// Sockets limits what an admitted client can make the server hold.
type Sockets struct {
	AckTimeout      time.Duration `koanf:"ack_timeout" default:"30s" doc:"how long a client has to acknowledge, where the caller sets no deadline"`
	MaxNamespaces   int           `koanf:"max_namespaces" default:"32" doc:"namespaces of one connection"`
	MaxRooms        int           `koanf:"max_rooms" default:"1024" doc:"rooms of one socket"`
	QueueEvents     int           `koanf:"queue_events" default:"1024" doc:"events that may wait for the handlers of a connection; above it reading pauses"`
	QueueBytes      int           `koanf:"queue_bytes" default:"1MiB" unit:"bytes" doc:"their bytes"`
	HardQueueEvents int           `koanf:"hard_queue_events" derived:"16 times sockets.queue_events" max:"none" doc:"above it the connection ends"`
	HardQueueBytes  int           `koanf:"hard_queue_bytes" derived:"8 times sockets.queue_bytes" max:"none" unit:"bytes" doc:"above it the connection ends"`
	UnknownEvents   string        `koanf:"unknown_events" default:"ignore" oneof:"ignore,answer" doc:"an event without a handler that asks for an acknowledgement: ignore leaves it unanswered, as Node's server does; answer says unknown_event"`
}

// ioUringOff is the value of Engine.IOUring that does without.
const ioUringOff = "off"

// answerUnknown is the value of Sockets.UnknownEvents that answers.
const answerUnknown = "answer"

// Packet limits what one Socket.IO packet of a client may hold.
type Packet struct {
	MaxAttachments int `koanf:"max_attachments" default:"10" max:"256" doc:"binary attachments"`
	MaxDepth       int `koanf:"max_depth" default:"64" max:"512" doc:"how deep arrays and objects nest"`
	MaxEventName   int `koanf:"max_event_name" default:"256" max:"65535" doc:"bytes of the name of an event"`
}

// HTTP limits the requests of all paths.
type HTTP struct {
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout" default:"10s" doc:"how long the head of a request may take"`
	IdleTimeout       time.Duration `koanf:"idle_timeout" default:"75s" doc:"how long a kept-alive connection waits for its next request; longer than the balancer in front keeps it, see [operating.md](operating.md#a-reverse-proxy)"`
	MaxHeaderBytes    int           `koanf:"max_header_bytes" default:"16KiB" unit:"bytes" doc:"the head of a request, which may have 128 fields and 128 parameters in its query, more get 431; at least 4096"`
}

// Drain says how a server ends.
type Drain struct {
	Timeout time.Duration `koanf:"timeout" default:"20s" doc:"hard deadline of a drain; at least drain.delay, drain.spread and engine.close_timeout together"`
	Delay   time.Duration `koanf:"delay" min:"0s" doc:"still serving, while /readyz says 503 already: the time that a balancer takes to notice"`
	Spread  time.Duration `koanf:"spread" default:"5s" doc:"time over which connections close in waves, at most 20 ms for each, so that their clients do not return all at once"`
}
