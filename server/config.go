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

// Log says what is logged, and how.
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `koanf:"level"`
	// Format is json or console. Default json.
	Format string `koanf:"format"`
}

// Engine limits the Engine.IO sessions.
type Engine struct {
	// PingInterval is the time from a PONG to the next PING. Default 25s.
	PingInterval time.Duration `koanf:"ping_interval"`
	// PingTimeout is how long a PONG may take. Default 20s.
	PingTimeout time.Duration `koanf:"ping_timeout"`
	// UpgradeTimeout is how long an upgrade may take. Default 10s.
	UpgradeTimeout time.Duration `koanf:"upgrade_timeout"`
	// CloseTimeout is how long a closing connection may take to hand over what
	// waits for it. Default 5s.
	CloseTimeout time.Duration `koanf:"close_timeout"`
	// PauseTimeout is how long a client may be slowed by not being read; then
	// its connection closes. Default 60s.
	PauseTimeout time.Duration `koanf:"pause_timeout"`
	// MessageTimeout is how long a message or a polling body may take to come; one
	// that takes longer must come with 1 KiB a second on average. Default 30s.
	MessageTimeout time.Duration `koanf:"message_timeout"`
	// MaxPayload is the largest message of an admitted client and the largest
	// polling body, in bytes. Default 1,000,000.
	MaxPayload int `koanf:"max_payload"`
	// OutboxBytes is how much may wait for one client; above it the client is
	// a slow consumer and its connection closes. Default 16 MiB.
	OutboxBytes int `koanf:"outbox_bytes"`
	// OutboxAge is for how long a client may take nothing of what waits for it;
	// then it is a slow consumer, too. Default 30s.
	OutboxAge time.Duration `koanf:"outbox_age"`
	// OutboxTotal is how much memory may wait for all clients together, in bytes;
	// what waits for many counts once. Near it the clients for whom most waits
	// are cut as slow consumers. Default 256 MiB.
	OutboxTotal int `koanf:"outbox_total"`
	// IncomingTotal is how much memory may be held of what all clients have sent,
	// in bytes: messages that are not complete and events that wait for their
	// handlers. Near it connections are closed, strangers' before users', and of
	// those the largest of whoever holds most. Default 256 MiB.
	IncomingTotal int `koanf:"incoming_total"`
	// IncomingShare is what one user, or one address of strangers, may have of it.
	// Default a quarter of it.
	IncomingShare int `koanf:"incoming_share"`
	// OpenApart sends the first packet of a WebSocket apart from the answer to its
	// handshake, for clients and proxies that lose what comes in one segment with
	// the head. Default false.
	OpenApart bool `koanf:"open_apart"`
	// NoUpgrades offers polling clients no WebSocket. Default false.
	NoUpgrades bool `koanf:"no_upgrades"`
	// IOUring says whether writes of several connections go to the kernel together
	// (io_uring(7), Linux): auto, where the kernel allows it, or off. Default auto.
	IOUring string `koanf:"io_uring"`
}

// The values of engine.io_uring.
const (
	ioUringAuto = "auto"
	ioUringOff  = "off"
)

// Compression says what is compressed on its way, for clients that can read it.
// A secret and what a stranger makes the server say beside it do not belong into
// one compressed message: its length tells of both (the BREACH attack).
type Compression struct {
	// WebSocket is on or off: permessage-deflate (RFC 7692). Default off.
	WebSocket string `koanf:"websocket"`
	// Polling is on or off: gzip of polling answers. Default on.
	Polling string `koanf:"polling"`
	// Threshold is the size from which a message or an answer is compressed, in
	// bytes. Default 1024.
	Threshold int `koanf:"threshold"`
	// ContextTakeover says who may refer to earlier messages of a WebSocket: none,
	// server, client or both. Without it, a broadcast is compressed once for all;
	// with it, for each receiver. Default none.
	ContextTakeover string `koanf:"context_takeover"`
	// Level is 1, fastest, to 9, smallest, for WebSockets. Default 1.
	Level int `koanf:"level"`
	// Window is how much a connection keeps for each direction with takeover, as
	// the power of two, 9 to 15. Default 12: 4 KiB.
	Window int `koanf:"window"`
}

// Handshake limits what happens before a client is admitted.
type Handshake struct {
	// Timeout is the time that a connection may be in no namespace. Default 10s.
	Timeout time.Duration `koanf:"timeout"`
	// AdmitTimeout limits one admission, the verifiers included. Default 8s.
	AdmitTimeout time.Duration `koanf:"admit_timeout"`
	// MaxPayload is the largest message before admission, in bytes; at most
	// engine.max_payload. Default 65,536.
	MaxPayload int `koanf:"max_payload"`
	// OutboxBytes is how much may wait for a client before admission, in bytes; at
	// most engine.outbox_bytes. Default 65,536.
	OutboxBytes int `koanf:"outbox_bytes"`
	// MaxPackets is how many packets and requests a connection may send before
	// admission; each 512 bytes count as one more. Above it the connection ends.
	// Default 1024.
	MaxPackets int `koanf:"max_packets"`
	// MaxPending is how many connections may be in no namespace at once; one
	// more closes the oldest of them. Never more than half of the files that the
	// process may have open. Default 16,384.
	MaxPending int `koanf:"max_pending"`
	// MaxConnects is how many CONNECTs of one connection are looked at within a
	// minute; more are refused. Default 256.
	MaxConnects int `koanf:"max_connects"`
	// MaxRefusals is how many CONNECTs in a row a connection may have refused
	// before it is closed. Default 16.
	MaxRefusals int `koanf:"max_refusals"`
}

// Session is about the time for which somebody is in.
type Session struct {
	// ExpiryNotice is how long before its identity ends a client is told with
	// auth:expiring; of a short life the last quarter. Default 60s.
	ExpiryNotice time.Duration `koanf:"expiry_notice"`
	// ExpiryGrace is how long after that end a socket ends that has not been
	// refreshed. Default 5s.
	ExpiryGrace time.Duration `koanf:"expiry_grace"`
	// MaxPerUser is how many connections one user may have on this node; one more
	// ends the oldest. Default 0: a twentieth of the files that the process
	// may open.
	MaxPerUser int `koanf:"max_per_user"`
	// RefreshBurst is how many times a socket may refresh its identity at once,
	// RefreshInterval how often after that. Default 8 and 5s.
	RefreshBurst    int           `koanf:"refresh_burst"`
	RefreshInterval time.Duration `koanf:"refresh_interval"`
}

// Recovery is what is kept for clients whose connection breaks, so that they go on
// with their rooms and what they missed; see namespaces.Recovery.
type Recovery struct {
	// For is how long a client may be away. Default 0: nothing is kept.
	For time.Duration `koanf:"for"`
	// Messages and Bytes are how much is kept of what each socket was sent. Default
	// 256 and 256 KiB.
	Messages int `koanf:"messages"`
	Bytes    int `koanf:"bytes"`
	// Parked is how many sockets may wait for their clients at once. Default 10,000.
	Parked int `koanf:"parked"`
}

// Limits says how fast admitted clients are read: so much in a second, and ten times
// as much at once. Nothing above it is refused; the connection is read more slowly.
// Who has no name counts by address, IPv6 by /64.
type Limits struct {
	// SocketEvents and SocketBytes are how many events and acknowledgements one
	// socket may send in a second, and of how many bytes. Default 2,000 and 16 MiB.
	SocketEvents int `koanf:"socket_events"`
	SocketBytes  int `koanf:"socket_bytes"`
	// UserEvents and UserBytes are the same for all sockets of a user on this node.
	// Default 20,000 and 64 MiB.
	UserEvents int `koanf:"user_events"`
	UserBytes  int `koanf:"user_bytes"`
}

// Sockets limits what an admitted client can make the server hold.
type Sockets struct {
	// AckTimeout is how long a client has to acknowledge, where the caller sets
	// no deadline. Default 30s.
	AckTimeout time.Duration `koanf:"ack_timeout"`
	// MaxNamespaces is how many namespaces one connection may be in. Default 32.
	MaxNamespaces int `koanf:"max_namespaces"`
	// MaxRooms is how many rooms one socket may be in. Default 1,024.
	MaxRooms int `koanf:"max_rooms"`
	// QueueEvents and QueueBytes are how much may wait for the handlers of one
	// connection before it is not read any more. Default 1,024 and 1 MiB.
	QueueEvents int `koanf:"queue_events"`
	QueueBytes  int `koanf:"queue_bytes"`
	// HardQueueEvents and HardQueueBytes end a connection. Default 16 times
	// queue_events and 8 times queue_bytes.
	HardQueueEvents int `koanf:"hard_queue_events"`
	HardQueueBytes  int `koanf:"hard_queue_bytes"`
	// UnknownEvents is what becomes of an event without a handler whose client
	// asks for an acknowledgement: "ignore", as Node's server does, or "answer"
	// with an error. Default "ignore".
	UnknownEvents string `koanf:"unknown_events"`
}

// What may become of events that nobody handles.
const (
	ignoreUnknown = "ignore"
	answerUnknown = "answer"
)

// Packet limits what one Socket.IO packet of a client may hold.
type Packet struct {
	// MaxAttachments is the number of binary attachments. Default 10.
	MaxAttachments int `koanf:"max_attachments"`
	// MaxDepth is how deep arrays and objects may nest. Default 64.
	MaxDepth int `koanf:"max_depth"`
	// MaxEventName is the longest name of an event, in bytes. Default 256.
	MaxEventName int `koanf:"max_event_name"`
}

// HTTP limits the requests of all paths.
type HTTP struct {
	// ReadHeaderTimeout is how long the head of a request may take. Default 10s.
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout"`
	// IdleTimeout is how long a kept-alive connection waits for its next
	// request. Default 75s.
	IdleTimeout time.Duration `koanf:"idle_timeout"`
	// MaxHeaderBytes limits the head of a request, which may hold a token and
	// cookies. Default 16 KiB, as Node's. Over 128 fields or parameters are refused
	// with 431, however small.
	MaxHeaderBytes int `koanf:"max_header_bytes"`
}

// Drain says how a server ends.
type Drain struct {
	// Timeout is the hard deadline of the whole drain. Default 20s.
	Timeout time.Duration `koanf:"timeout"`
	// Delay is how long the server goes on serving after it was told to end,
	// while /readyz already answers 503: a balancer takes a moment to notice.
	// Default 0.
	Delay time.Duration `koanf:"delay"`
	// Spread is the time over which the connections are closed in waves, so
	// that their clients do not return all at once. Default 5s.
	Spread time.Duration `koanf:"spread"`
}
