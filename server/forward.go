package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"gatehouse/cluster"
)

func (c Config) checkForwarding() error {
	k := c.Cluster
	switch {
	case k.Addr == "" && k.Advertise != "":
		return errors.New("cluster.advertise: without cluster.addr nobody listens there; set both, or neither")
	case k.Addr == "":
		return nil
	case k.Secret == "":
		return errors.New("cluster.addr: requests between nodes are signed; set cluster.secret")
	}
	if err := checkHostPort("cluster.addr", k.Addr, "10.0.0.1:3002"); err != nil {
		return err
	}
	if sameListener(k.Addr, c.Addr) || k.Addr == c.Admin.Addr {
		return fmt.Errorf("cluster.addr: %q is taken by another listener of this server; choose another port", k.Addr)
	}
	host, port, err := net.SplitHostPort(k.advertisedHost())
	if err != nil || everywhere(host) || port == "0" {
		return fmt.Errorf("cluster.advertise: %q is no address that other nodes can reach; write it as 10.0.0.1:3002", k.advertised())
	}
	return nil
}

// elsewhere hands a request over to the node that has its session; nil without a
// cluster.
func (s *Server) elsewhere() func(http.ResponseWriter, *http.Request, string) bool {
	if s.node == nil || s.cfg.Cluster.Addr == "" {
		return nil
	}
	if s.metrics == nil {
		return s.node.Forward
	}
	return func(w http.ResponseWriter, r *http.Request, node string) bool {
		began, kind := time.Now(), forwardKind(r)
		if !s.node.Forward(w, r, node) {
			return false
		}
		if kind != "websocket" { // a WebSocket takes as long as its connection lasts
			s.metrics.forwarded(began, kind)
		}
		return true
	}
}

// forwardKind tells a poll, which waits for messages, from a POST.
func forwardKind(r *http.Request) string {
	switch {
	case r.Header.Get("Upgrade") != "":
		return "websocket"
	case r.Method == http.MethodPost:
		return "post"
	}
	return "poll"
}

// nodeID names this node in session ids.
func (s *Server) nodeID() string {
	if s.elsewhere() == nil {
		return ""
	}
	return s.node.ID()
}

// serveOwned serves a request of a session of this node that has come through another one.
func (s *Server) serveOwned(w http.ResponseWriter, r *http.Request, through *cluster.Peer) {
	s.engine.ServeHop(w, r, through)
}

// leaveOthers ends the requests that this node has handed to others.
func (s *Server) leaveOthers(ctx context.Context) error {
	if s.node == nil {
		return nil
	}
	return s.node.Leave(ctx)
}

// letGo ends the requests that come through a node that is leaving: their clients come
// back by another way.
func (s *Server) letGo(ctx context.Context, through *cluster.Peer) {
	s.engine.Leave(ctx, through, s.inForce.Load().Drain.Spread)
}

// onlyNodes explains a refusal at the TLS of cluster.addr.
const onlyNodes = "if this is a node: it needs cluster.tls with a certificate that is in its time and signed by an authority of cluster.tls.ca_file here; nobody else should reach cluster.addr"

// startForwarding listens for other nodes, when there is an address for them.
func (s *Server) startForwarding(ctx context.Context) (stop func(), err error) {
	if s.elsewhere() == nil {
		return func() {}, nil
	}
	ln, err := listen(ctx, "cluster.addr", s.cfg.Cluster.Addr)
	if err != nil {
		return nil, err
	}
	s.log.Info("listener for the other nodes", slog.String("clusterAddr", ln.Addr().String()), slog.String("advertise", s.cfg.Cluster.advertised()))
	hs, served := s.httpServer(s.node.Owned(s.serveOwned, s.letGo)), make(chan struct{})
	if keys := s.hopKeys.current.Load(); keys != nil {
		s.sayHopKeys(keys)
		hs.ErrorLog = slog.NewLogLogger(s.refusals.With(slog.String("logger", "cluster.addr"), slog.String("do", onlyNodes)).Handler(), slog.LevelWarn)
	}
	go func() {
		defer close(served)
		if err := hs.Serve(s.hopKeys.wrap(ln, true)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the listener for the other nodes failed", slog.Any("error", err))
		}
	}()
	return func() {
		_ = hs.Close() // its sessions have ended
		<-served
	}, nil
}
