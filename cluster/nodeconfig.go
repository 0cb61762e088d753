package cluster

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/settings"
	"gatehouse/packet"
)

// Settings are the settings that the nodes of one cluster have in common, and the limits of a node. The tags say of each
// its default and bounds, see package internal/settings; zero means the default.
type Settings struct {
	Key          string        `koanf:"key" default:"socket.io" doc:"begins the names of streams and channels, as Node's adapters have it"`
	Streams      int           `koanf:"streams" default:"1" max:"64" doc:"streams that the namespaces share; the same on all nodes"`
	MaxLen       int           `koanf:"max_len" default:"10000" min:"100" doc:"entries that a stream keeps, about"`
	Patience     time.Duration `koanf:"patience" default:"2s" min:"100ms" doc:"how long Redis may take until the node goes on alone"`
	BacklogBytes int           `koanf:"backlog_bytes" default:"16MiB" min:"64KiB" unit:"bytes" doc:"what it keeps for the others while it is alone, or has waiting in either direction in the modes that publish"`
	BacklogAge   time.Duration `koanf:"backlog_age" default:"1m" atleast:"Patience" doc:"for how long; no less than cluster.patience"`
}

// NodeConfig says how a node takes part in a cluster. A field that is zero has the default named with it.
type NodeConfig struct {
	Settings

	// Client returns a client of Redis 7 or Valkey, or an error while Redis cannot be reached. The client's owner closes
	// it, after the node. Required.
	Client func() (rueidis.Client, error)
	// Name is the node's name in logs and lists. No other node of the fleet has the same, see Node.Join; Start gives the
	// node an id that no node ever had. Empty is the machine's name with a part of that id.
	Name string
	// Advertise is the address at which other nodes reach this one, as host:port, or https://host:port with TLS; empty
	// without forwarding.
	Advertise string
	// TLS returns the configuration of a connection to another node; it is called for each, and no request is handed to nodes
	// without TLS then. The certificate of the other node names ServerName, or the host of its address where that is empty.
	// nil: no TLS.
	TLS func() *tls.Config
	// Version is this program's version, which other nodes show.
	Version string
	// Mode is how operations get to the other nodes. Default: ModeStreams.
	Mode Mode
	// Secret signs the messages between nodes. With a secret, Node's servers cannot take part.
	Secret []byte
	// Recovery is how long a client may be away and still be recovered, on any node, in the mode "streams", see
	// [namespaces.Recovery]. Default: 0, no recovery. The node then keeps the latest entries of each stream in memory:
	// MaxLen entries of BacklogBytes at most.
	Recovery time.Duration
	// Packet limits what an event of another node may hold, as it does for clients.
	Packet packet.Limits
	// Note gets the error of each command of the client, and returns it. It should reconnect when Redis takes no writes.
	// May be nil.
	Note func(client rueidis.Client, err error) error
	// Traces gets a span for each traced broadcast of another node that is carried out here; may be nil.
	Traces trace.TracerProvider
	// Now is the clock for dating and checking signatures. Default: time.Now. The clocks of nodes may differ by two
	// minutes.
	Now func() time.Time
	// Logger gets messages about the link to Redis; nil means slog.Default().
	Logger *slog.Logger
}

// Mode is how the operations of a namespace get to the other nodes.
type Mode string

// The modes.
const (
	// ModeStreams writes them into streams: one order, nothing lost in silence. It speaks with @socket.io/redis-streams-adapter.
	ModeStreams Mode = "streams"
	// ModePubSub publishes them, at most once. It speaks with @socket.io/redis-adapter and @socket.io/redis-emitter.
	ModePubSub Mode = "pubsub"
	// ModeSharded publishes them on a channel for each room, which a Redis Cluster spreads over its nodes. It speaks with the
	// sharded adapter of @socket.io/redis-adapter.
	ModeSharded Mode = "sharded"
)

const (
	heartbeat   = 2 * time.Second           // between two signs of life
	memberLimit = 3*heartbeat + time.Second // without one, a node is gone
	reconnect   = 250 * time.Millisecond    // between two tries to connect
	redisLimit  = 2 * time.Second           // for one command, or batch, of Redis
	tickEvery   = 250 * time.Millisecond    // how often time is told; more often with less patience
	batchSize   = 128                       // how many entries are written or read at once
)

func (c NodeConfig) withDefaults() NodeConfig {
	settings.Fill(&c)
	c.Mode = cmp.Or(c.Mode, ModeStreams)
	if c.Note == nil {
		c.Note = func(_ rueidis.Client, err error) error { return err }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// hashTag is a name whose slot is that of the text in its braces.
var hashTag = regexp.MustCompile(`^[^{}]*\{[^{}]+\}[^{}]*$`)

func (c NodeConfig) check() error {
	switch {
	case c.Client == nil:
		return errors.New("no client of Redis")
	case c.Mode != ModeStreams && c.Mode != ModePubSub && c.Mode != ModeSharded:
		return fmt.Errorf("mode %q: streams, pubsub and sharded are possible", c.Mode)
	case strings.ContainsAny(c.Key, "{}") && !hashTag.MatchString(c.Key):
		return fmt.Errorf("key %q: braces are for a hash tag of a Redis Cluster, such as {chat}", c.Key)
	}
	return settings.Check(c, settings.Fields)
}

// streamOf returns the stream of a namespace, as Node's adapter chooses it: by the hash that Java has for strings.
func (c NodeConfig) streamOf(namespace string) int {
	var hash int32
	for _, unit := range utf16Of(namespace) {
		hash = hash*31 + int32(unit)
	}
	i := int(hash) % c.Streams
	return i
}

// streamName is the key of a stream.
func (c NodeConfig) streamName(i int) string {
	if c.Streams == 1 {
		return c.Key
	}
	return fmt.Sprintf("%s-%d", c.Key, i)
}
