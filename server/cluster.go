package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster"
	"gatehouse/handshake"
	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/server/internal/reply"
)

// The modes of a cluster.
const (
	clusterOff     = "off"
	clusterStreams = string(cluster.ModeStreams)
	clusterPubSub  = string(cluster.ModePubSub)
	clusterSharded = string(cluster.ModeSharded)
)

// Cluster joins several nodes to one server, over the Redis at redis.url.
type Cluster struct {
	Mode      string           `koanf:"mode" default:"off" oneof:"off,streams,pubsub,sharded" doc:"how nodes share their rooms over Redis 7 at redis.url; see [cluster.md](cluster.md#modes)"`
	Name      string           `koanf:"name" derived:"the machine's with a part of the node's id" doc:"how the node is called in logs and lists; a node whose name another one has does not start"`
	Addr      string           `koanf:"addr" derived:"without sticky sessions a node is not reached" doc:"a listener for the other nodes, as host:port, which must not be open to the world; needs cluster.secret"`
	Advertise string           `koanf:"advertise" derived:"cluster.addr" doc:"where the other nodes reach that listener, as host:port; https:// may stand before it with cluster.tls"`
	TLS       ClusterTLS       `koanf:"tls"`
	Secret    handshake.Secret `koanf:"secret" doc:"signs what nodes tell each other, at least 32 bytes, the same on all nodes; with it Node's servers cannot join, without it whoever writes into Redis speaks for a node"`

	cluster.Settings `koanf:",squash"`
}

func (c *Cluster) on() bool { return c.Mode != clusterOff }

// minClusterSecret is the minimum length, as for admin.key.
const minClusterSecret = minAdminKey

func (c Config) checkCluster() error {
	k := c.Cluster
	if !k.on() {
		return nil
	}
	var errs []error
	if c.Redis.URL == "" {
		errs = append(errs, errors.New("cluster.mode: nodes need a Redis that they share; set redis.url, or cluster.mode to off"))
	}
	if k.Secret != "" && len(k.Secret) < minClusterSecret {
		errs = append(errs, fmt.Errorf(`cluster.secret: %d bytes, at least %d are needed; make one with "openssl rand -base64 48"`, len(k.Secret), minClusterSecret))
	}
	return errors.Join(append(errs, c.checkForwarding(), k.checkTLS())...)
}

// warningsOfCluster returns the warnings about a cluster's settings.
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
	cfg := k.node()
	cfg.Client, cfg.Note, cfg.Version, cfg.Logger = s.redis.Client, s.redis.Note, s.cfg.Version, s.log
	cfg.Recovery, cfg.Packet, cfg.Traces = s.cfg.Recovery.For, s.cfg.Packet, s.cfg.Traces
	if s.cfg.Cluster.TLS.enabled() {
		cfg.TLS = s.hopKeys.current.Load
	}
	node, err := cluster.Start(cfg)
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

// sharedUsers counts users' connections over the nodes of the cluster. It is nil without a cluster, and where no limit
// is set: the default limit protects the files of a node, so each node counts for itself.
func (s *Server) sharedUsers() namespaces.SharedUsers {
	if s.node == nil || !s.perUser {
		return nil
	}
	return s.node.Users()
}

// sharedHistory is the history in Redis that all nodes share; nil without a cluster. The connection is made later.
func (s *Server) sharedHistory() history.Log {
	if !s.cfg.Cluster.on() {
		return nil
	}
	return cluster.NewHistory(s.cfg.Redis.Prefix, func() (rueidis.Client, error) { return s.redis.Client() },
		func(c rueidis.Client, err error) error { return s.redis.Note(c, err) })
}

// Misfits checks the settings of a cluster's Redis. For each setting that does not fit it returns a sentence that says
// what to do; without a cluster it returns none. It takes a few seconds at most. It fails when Redis cannot be reached.
func (c Config) Misfits(ctx context.Context) ([]string, error) {
	c = c.WithDefaults()
	if !c.Cluster.on() {
		return nil, nil
	}
	client, err := c.Redis.Dial(redisAsk)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return cluster.Misfits(ctx, client, c.Cluster.node())
}

// redisAsk is how long connecting may take while a person waits.
const redisAsk = 2 * time.Second

// node is the configuration of this node by the section.
func (c *Cluster) node() cluster.NodeConfig {
	return cluster.NodeConfig{
		Settings: c.Settings, Mode: cluster.Mode(c.Mode), Name: c.Name, Advertise: c.advertised(), Secret: []byte(c.Secret.Reveal()),
	}
}

// warnOfRedis logs the settings of Redis that do not fit.
func (s *Server) warnOfRedis(ctx context.Context) {
	misfits, err := s.node.Misfits(ctx)
	if err != nil {
		s.log.Warn("cannot check whether redis fits", slog.Any("error", err))
	}
	for _, what := range misfits {
		s.log.Warn("redis does not fit: " + what)
	}
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
	reply.JSON(w, http.StatusOK, list)
}
