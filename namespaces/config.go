package namespaces

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"gatehouse/internal/settings"
	"gatehouse/packet"
)

// Config is the configuration of a [Hub]. A field that is zero has the default named with it.
type Config struct {
	// Gate identifies clients, unless a namespace has its own ([WithGate]). Required when one of them has none.
	Gate Gate
	// Rechecker is asked about every identity, also those of a namespace's own gate: before and at the end of an admission,
	// and at the end of a refresh. It keeps out revoked identities. May be nil.
	Rechecker Rechecker
	// Logger gets the mistakes of handlers and middleware; nil means slog.Default().
	Logger *slog.Logger
	// Hooks are told what happens; each is told everything.
	Hooks []Hooks
	// Adapter makes the adapter of a namespace, around local, which acts on the sockets of this node; nil is for one
	// node. The context lives until the adapter has been closed.
	Adapter func(ctx context.Context, local Local) (Adapter, error)
	// Users counts users' connections over several nodes; nil counts them on this one.
	Users SharedUsers
	// Random is the source of socket ids. Default: crypto/rand.
	Random io.Reader

	// AnswerUnknownEvents acknowledges an event without a handler with "unknown_event". Otherwise there is no
	// acknowledgement, as on Node's server: a client with a timeout then fails, instead of taking the answer for a result.
	AnswerUnknownEvents bool
	// Development tells clients which argument of an event could not be decoded, and logs what they did wrong as warnings.
	Development bool

	// Recovery says what is kept for clients whose transport is lost. Default: nothing.
	Recovery Recovery

	// Packet limits what one packet may hold.
	Packet packet.Limits

	// ConnectLimits hold before a client is admitted, the others afterwards.
	ConnectLimits
	SessionLimits
	SocketLimits
	RateLimits
}

// The limits below say of each its default and bounds in their tags, see package internal/settings; zero means the default.

// ConnectLimits bound what a connection may do until a namespace has admitted it, and its admissions.
type ConnectLimits struct {
	ConnectTimeout time.Duration `koanf:"timeout" default:"10s" doc:"how long a connection may be in no namespace"`
	AdmitTimeout   time.Duration `koanf:"admit_timeout" derived:"at most handshake.timeout" doc:"one admission, the verifiers included"`
	MaxPending     int           `koanf:"max_pending" default:"16384" doc:"connections in no namespace; one more closes the oldest; never more than half of the files that the process may open"`
	MaxConnects    int           `koanf:"max_connects" default:"256" doc:"CONNECTs of one connection in a minute; more are refused with rate_limited"`
	MaxRefusals    int           `koanf:"max_refusals" default:"16" doc:"refused CONNECTs in a row; one more closes the connection"`
	MaxAdmissions  int           `koanf:"-" default:"4" doc:"admissions of one connection that run at once; the others wait"`
}

// Derive fills the limits whose defaults follow from others.
func (l *ConnectLimits) Derive() { fill(&l.AdmitTimeout, min(8*time.Second, l.ConnectTimeout)) }

// SessionLimits bound the session of a user, who is identified by issuer and subject and counted once admitted.
type SessionLimits struct {
	ExpiryNotice    time.Duration `koanf:"expiry_notice" default:"60s" doc:"how long before its identity ends a client is told with auth:expiring; of a short life the last quarter"`
	ExpiryGrace     time.Duration `koanf:"expiry_grace" default:"5s" doc:"how long a socket outlives its token that was not refreshed"`
	MaxPerUser      int           `koanf:"max_per_user" derived:"a twentieth of the files that the process may open" min:"0" doc:"connections of one user, where it is set on all nodes of a cluster together; one more ends the oldest"`
	RefreshBurst    int           `koanf:"refresh_burst" default:"8" doc:"how many times a client may refresh its identity at once"`
	RefreshInterval time.Duration `koanf:"refresh_interval" default:"5s" doc:"how often after that"`
}

// SocketLimits bound what an admitted client can make the server hold. Reading pauses at QueueEvents and QueueBytes,
// and goes on at half of them. HardQueueEvents and HardQueueBytes can be reached by packets that were read before the
// pause, and while a handler awaits its own client. UserHandlers grows up to MaxUserHandlers while sockets wait and
// processors are free. Users without a subject count by address, IPv6 by /64. Where the caller of an acknowledgement
// has a deadline, that deadline counts, and not AckTimeout.
type SocketLimits struct {
	AckTimeout        time.Duration `koanf:"ack_timeout" default:"30s" doc:"how long a client has to acknowledge, where the caller sets no deadline"`
	MaxNamespaces     int           `koanf:"max_namespaces" default:"32" doc:"namespaces of one connection"`
	MaxRooms          int           `koanf:"max_rooms" default:"1024" doc:"rooms of one socket"`
	MaxRoomName       int           `koanf:"-" default:"512" unit:"bytes" doc:"the name of a room"`
	QueueEvents       int           `koanf:"queue_events" default:"1024" doc:"events that may wait for the handlers of a connection; above it reading pauses"`
	QueueBytes        int           `koanf:"queue_bytes" default:"1MiB" unit:"bytes" doc:"their bytes"`
	HardQueueEvents   int           `koanf:"hard_queue_events" derived:"16 times sockets.queue_events" max:"none" atleast:"QueueEvents" doc:"above it the connection ends"`
	HardQueueBytes    int           `koanf:"hard_queue_bytes" derived:"8 times sockets.queue_bytes" max:"none" atleast:"QueueBytes" unit:"bytes" doc:"above it the connection ends"`
	AttachmentTimeout time.Duration `koanf:"-" default:"30s" doc:"how long the next attachment of a packet may take before the connection is closed"`
	UserHandlers      int           `koanf:"-" default:"2" doc:"sockets of one user that have handlers running at once; the others take turns"`
	MaxUserHandlers   int           `koanf:"-" derived:"1024, or UserHandlers" atleast:"UserHandlers" doc:"the most that UserHandlers grows to"`
}

// Derive fills the limits whose defaults follow from others.
func (l *SocketLimits) Derive() {
	fill(&l.HardQueueEvents, 16*l.QueueEvents)
	fill(&l.HardQueueBytes, 8*l.QueueBytes)
	fill(&l.MaxUserHandlers, max(1024, l.UserHandlers))
}

// RateLimits say how fast admitted clients are read: the values are per second, and ten times as much is possible at
// once. Nothing above it is refused; the connection is read more slowly. Users without a subject count by address, IPv6
// by /64.
type RateLimits struct {
	SocketEvents int `koanf:"socket_events" default:"2000" unit:"per second" doc:"events and acknowledgements of one socket in a second; ten times as many may come at once; above it the connection is read more slowly, nothing is refused"`
	SocketBytes  int `koanf:"socket_bytes" default:"16MiB" unit:"bytes per second" doc:"their bytes"`
	UserEvents   int `koanf:"user_events" default:"20000" unit:"per second" doc:"the same for all sockets of a user on this node; who has no name counts by address"`
	UserBytes    int `koanf:"user_bytes" default:"64MiB" unit:"bytes per second" doc:"their bytes"`
}

// withDefaults returns the configuration with its zero fields filled.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	settings.Fill(&c)
	return c
}

func fill[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// check refuses a configuration that cannot work. Its defaults are filled in.
func (c Config) check() error { return settings.Check(c, settings.Fields) }
