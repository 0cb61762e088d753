package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/cluster"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// The modes of a cluster.
const (
	clusterOff     = "off"
	clusterStreams = string(cluster.ModeStreams)
	clusterPubSub  = string(cluster.ModePubSub)
	clusterSharded = string(cluster.ModeSharded)
)

// Cluster joins several nodes to one server; redis.url says over what.
type Cluster struct {
	// Mode is off, one node, or how operations get to the other nodes: streams,
	// through a stream of Redis 7, with Node's @socket.io/redis-streams-adapter;
	// pubsub and sharded, at most once, with the classic and the sharded adapter of
	// @socket.io/redis-adapter. Default off.
	Mode string `koanf:"mode"`
	// Name is how this node is called in logs and lists. A node whose name another
	// one has does not start. Default: the machine's with a part of the node's id.
	Name string `koanf:"name"`
	// Addr is a listener for the other nodes, as host:port, and Advertise where
	// they reach it; by them a request of a session that another node has is
	// handed over, so that a balancer needs no sticky sessions. It needs Secret,
	// which signs what is handed over, and must not be open to the world. Default
	// none, and for Advertise Addr.
	Addr      string `koanf:"addr"`
	Advertise string `koanf:"advertise"`
	// Secret signs what nodes tell each other, at least 32 bytes; all nodes have
	// the same. With it Node's servers cannot join. Default none: whoever writes
	// into Redis speaks for a node.
	Secret handshake.Secret `koanf:"secret"`
	// Key begins the names of streams and channels. Default socket.io, as Node's
	// adapters have it.
	Key string `koanf:"key"`
	// Streams is how many streams the namespaces share, 1 to 64; the same on all
	// nodes. Default 1.
	Streams int `koanf:"streams"`
	// MaxLen is how many entries a stream keeps, about. Default 10,000.
	MaxLen int `koanf:"max_len"`
	// Patience is how long Redis may take until the node goes on alone. Default 2s.
	Patience time.Duration `koanf:"patience"`
	// BacklogBytes and BacklogAge bound what a node keeps for the others while it
	// is alone. Default 16 MiB and 60s.
	BacklogBytes int           `koanf:"backlog_bytes"`
	BacklogAge   time.Duration `koanf:"backlog_age"`
}

func (c *Cluster) setDefaults() {
	setDefault(&c.Mode, clusterOff)
	setDefault(&c.Key, "socket.io")
	setDefault(&c.Streams, 1)
	setDefault(&c.MaxLen, 10_000)
	setDefault(&c.Patience, 2*time.Second)
	setDefault(&c.BacklogBytes, 16<<20)
	setDefault(&c.BacklogAge, time.Minute)
}

func (c *Cluster) on() bool { return c.Mode != clusterOff }

// minClusterSecret is that of admin.key.
const minClusterSecret = minAdminKey

func (c Config) checkCluster() error {
	k := c.Cluster
	if err := oneOf("cluster.mode", k.Mode, clusterOff, clusterStreams, clusterPubSub, clusterSharded); err != nil || !k.on() {
		return err
	}
	var errs []error
	if c.Redis.URL == "" {
		errs = append(errs, errors.New("cluster.mode: nodes meet in Redis; set redis.url, or cluster.mode to off"))
	}
	if k.Secret != "" && len(k.Secret) < minClusterSecret {
		errs = append(errs, fmt.Errorf(`cluster.secret: %d bytes, at least %d are needed; make one with "openssl rand -base64 48"`, len(k.Secret), minClusterSecret))
	}
	errs = append(errs, c.checkForwarding())
	for _, l := range []struct {
		key                    string
		value, lowest, highest int
	}{
		{"cluster.streams", k.Streams, 1, 64}, {"cluster.max_len", k.MaxLen, 100, 1 << 30},
		{"cluster.backlog_bytes", k.BacklogBytes, 64 << 10, 1 << 30},
	} {
		if l.value < l.lowest || l.value > l.highest {
			errs = append(errs, fmt.Errorf("%s: %d; it may be %d to %d", l.key, l.value, l.lowest, l.highest))
		}
	}
	if k.Patience < 100*time.Millisecond || k.BacklogAge < k.Patience {
		errs = append(errs, fmt.Errorf("cluster.patience, cluster.backlog_age: %s and %s; patience is at least 100ms, and backlog_age no less than patience", k.Patience, k.BacklogAge))
	}
	return errors.Join(errs...)
}

// warningsOfCluster are what an operator should know of a cluster's settings.
func (c Config) warningsOfCluster() []string {
	if !c.Cluster.on() || c.Cluster.Secret != "" {
		return nil
	}
	return []string{"cluster.secret is not set: whoever can write into Redis can send events to all clients"}
}

// startCluster joins the other nodes, when there is a cluster.
func (s *Server) startCluster() error {
	k := s.cfg.Cluster
	if !k.on() {
		return nil
	}
	node, err := cluster.Start(cluster.NodeConfig{
		Client: s.redis.Client, Note: s.redis.Note, Mode: cluster.Mode(k.Mode), Name: k.Name, Advertise: k.advertised(), Version: s.cfg.Version, Key: k.Key, Streams: k.Streams, MaxLen: int64(k.MaxLen),
		Secret: []byte(k.Secret.Reveal()), Patience: k.Patience, BacklogBytes: k.BacklogBytes, BacklogAge: k.BacklogAge,
		Packet: packet.Limits{
			MaxAttachments: s.cfg.Packet.MaxAttachments, MaxDepth: s.cfg.Packet.MaxDepth, MaxEventName: s.cfg.Packet.MaxEventName,
		},
		Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.node = node
	return nil
}

// adapter makes the adapters of the namespaces: the program's own, those of the
// cluster, or nil for one node.
func (s *Server) adapter() func(context.Context, namespaces.Local) (namespaces.Adapter, error) {
	if s.cfg.Adapter != nil || s.node == nil {
		return s.cfg.Adapter
	}
	return s.node.Adapter
}

// serveNodes lists the nodes that are there.
func (s *Server) serveNodes(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Nodes []cluster.NodeInfo `json:"nodes"`
		Alone bool               `json:"alone"` // Redis does not answer: only this node is known for certain
	}{Nodes: []cluster.NodeInfo{}}
	if s.node != nil {
		list.Nodes, list.Alone = s.node.Nodes(), s.node.Status().Alone
	}
	answer(w, http.StatusOK, list)
}
