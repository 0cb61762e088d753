package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/backend"
	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/relay"
	"gatehouse/packet"
	"gatehouse/server/api"
)

// Config says how a server runs. The zero value of a field means its default, which the field's comment gives. [New]
// checks the configuration once, with [Config.Check].
type Config struct {
	// Addr is where Run listens, HOST:PORT. Default ":3000"; with Dev
	// "127.0.0.1:3000".
	Addr string `koanf:"addr"`

	// Path is the path of the realtime endpoint, with the client bundle below it; the client's option path must be the
	// same. Default "/socket.io/".
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

	// These fields say who is let in; see package handshake for each part.
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

	TLS         TLS              `koanf:"tls"`
	Connections ConnectionLimits `koanf:"door"`
	Redis       Redis            `koanf:"redis"`
	Cluster     Cluster          `koanf:"cluster"`
	Admin       Admin            `koanf:"admin"`

	// API is for back ends: who may use /api/v1/ to publish and to see who is there.
	API api.Config `koanf:"api"`

	// AdminUI is for Socket.IO's admin interface.
	AdminUI AdminUI `koanf:"admin_ui"`

	// History says where the rooms of Namespaces keep their history.
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

	// Handler serves the requests for all paths that are not the server's own, of Run, Serve and [Server.Handler]. It
	// must end its own goroutines itself. The time for a body and an answer is limited as for the server's own paths.
	// Default: 404, or the pages with Dev or Pages.
	Handler http.Handler `koanf:"-"`

	// Namespaces are the namespaces that are made by rules: by their names, or by patterns such as "/tenant-{org}" for a
	// family of them. Backends handle their events.
	Namespaces map[string]relay.Config   `koanf:"-"`
	Backends   map[string]backend.Config `koanf:"-"`

	// AllowRequest may refuse an Engine.IO handshake before there is a session, after
	// the server's own checks: by a *handshake.Refusal, whose code determines the
	// HTTP status; any other error counts as "unavailable" and is logged. It must be
	// safe for concurrent use.
	AllowRequest func(r *http.Request) error `koanf:"-"`
	// Headers adds header fields to all answers of the realtime endpoint, the 101 of a
	// WebSocket among them. It must be safe for concurrent use.
	Headers func(h http.Header, r *http.Request) `koanf:"-"`
	// Context returns a context for a session, given the request that opens it. All handlers of the session's sockets
	// find its values in their own context. Return r.Context() to pass on the values of a handler around
	// [Server.Handler]. The context stays in memory as long as the session. Run and Serve open most WebSockets without
	// net/http; r.Context() is then empty. It must be safe for concurrent use.
	Context func(r *http.Request) context.Context `koanf:"-"`

	// Verifiers are the program's own; they are asked before the configured ones.
	Verifiers []handshake.Verifier `koanf:"-"`
	// Adapter makes the adapter of each namespace, see namespaces.Config. nil: the server is the only node.
	Adapter func(ctx context.Context, local namespaces.Local) (namespaces.Adapter, error) `koanf:"-"`
	// Hooks are the program's own; they are told what happens in the namespaces.
	Hooks []namespaces.Hooks `koanf:"-"`
	// Traces makes the spans of the server, see docs/operating.md; nil: none are made. At its end the server flushes it,
	// if it has a ForceFlush as the SDK's provider does; after that the program shuts it down.
	Traces trace.TracerProvider `koanf:"-"`
	// Registry is a registry of the program that gets the server's metrics too, until the server has ended. A name that
	// is already taken in it is an error of New; wrap a registry for several servers with a label for each, see
	// prometheus.WrapRegistererWith. Default none: the metrics are at /metrics only.
	Registry prometheus.Registerer `koanf:"-"`
	// ExternalTLS says that the program serves Handler on its own listener with TLS, so that settings which need TLS are
	// allowed.
	ExternalTLS bool `koanf:"-"`
	// Version is the program's version, which a cluster shows. Default none.
	Version string `koanf:"-"`
	// Logger gets the log; nil means slog.Default(). Levels that are off cost
	// nothing. Writing to it should not wait: see [NewLogger].
	Logger *slog.Logger `koanf:"-"`
}

// The sections below describe each key by the tags of package
// internal/settings. The limits of sessions, namespaces and packets are in the
// packages that hold them.

// Log says which events are logged, and how.
type Log struct {
	Level  string `koanf:"level" default:"info" oneof:"debug,info,warn,error" doc:"what is logged: this and what is worse"`
	Format string `koanf:"format" default:"json" oneof:"json,console" doc:"the form of the log"`
}

// Engine limits the Engine.IO sessions.
type Engine struct {
	engine.Limits `koanf:",squash"`

	OpenApart  bool   `koanf:"open_apart" doc:"the first packet of a WebSocket comes in a write of its own behind the 101, for clients and proxies that lose what comes in one segment with it"`
	NoUpgrades bool   `koanf:"no_upgrades" doc:"polling clients stay there: they are offered no WebSocket"`
	Transports string `koanf:"transports" default:"both" oneof:"both,polling,websocket" doc:"what clients may use; the other transport is refused as unknown"`
	Cookie     string `koanf:"cookie" doc:"name of a cookie, such as io, for balancers that keep a client on one node by it; its value is random and no credential"`
	IOUring    string `koanf:"io_uring" default:"auto" oneof:"auto,off" doc:"on Linux, writes of several connections go to the kernel in one call where it allows that (io_uring), which many containers do not; off: one call each. The log says at start which it is"`
}

// Compression says which messages and answers are compressed, for clients that can read it. Keep a secret out of
// compressed messages that also hold text which a stranger chooses: the length of such a message reveals the secret
// bit by bit (the BREACH attack). WebSocket says whether messages are compressed, whatever Deflate.Enabled is.
type Compression struct {
	WebSocket string `koanf:"websocket" default:"off" oneof:"on,off" doc:"permessage-deflate (RFC 7692) for clients that offer it"`
	Polling   string `koanf:"polling" default:"on" oneof:"on,off" doc:"gzip of polling answers"`

	engine.Deflate `koanf:",squash"`
}

// Handshake limits what happens before a client is admitted.
type Handshake struct {
	namespaces.ConnectLimits `koanf:",squash"`
	engine.EarlyLimits       `koanf:",squash"`
}

// Session bounds the time for which a user is signed in.
type Session = namespaces.SessionLimits

// Recovery bounds the sessions that are kept for clients whose connection breaks,
// so that they go on with their rooms and missed messages.
type Recovery = namespaces.Recovery

// Limits says how fast admitted clients are read.
type Limits = namespaces.RateLimits

// Packet limits what one Socket.IO packet of a client may hold.
type Packet = packet.Limits

// Sockets limits what an admitted client can make the server hold.
type Sockets struct {
	namespaces.SocketLimits `koanf:",squash"`

	UnknownEvents string `koanf:"unknown_events" default:"ignore" oneof:"ignore,answer" doc:"an event without a handler that asks for an acknowledgement: ignore leaves it unanswered, as Node's server does; answer says unknown_event"`
}

// ioUringOff is the value of Engine.IOUring that turns io_uring off.
const ioUringOff = "off"

// answerUnknown is the value of Sockets.UnknownEvents that has unknown events answered.
const answerUnknown = "answer"

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
