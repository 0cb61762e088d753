package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gatehouse/cluster"
	"gatehouse/engine"
)

const (
	mostBehind      = 10 // clients that most waits for
	mostRevocations = 50 // the newest
)

// nowStats is sent to the operators' page every second. Counters count from the
// start of the process; the page makes rates of them.
type nowStats struct {
	stats
	At            time.Time      `json:"at"`
	Node          string         `json:"node,omitempty"`
	Version       string         `json:"version,omitempty"`
	Leaving       bool           `json:"leaving"`
	Closing       int            `json:"closing"`
	OutboxBytes   int64          `json:"outboxBytes"`
	OutboxTotal   int            `json:"outboxTotal"` // the limit of that
	IncomingBytes int64          `json:"incomingBytes"`
	Cuts          engine.Cuts    `json:"cuts"`
	Events        float64        `json:"events"`
	Failed        float64        `json:"failed"` // of those, the handler failed
	Deliveries    float64        `json:"deliveries"`
	Refused       []refusedCount `json:"refused"`
	Redis         *redisState    `json:"redis,omitempty"`
	Cluster       *clusterState  `json:"cluster,omitempty"`
}

// refusedCount counts refusals since the process began.
type refusedCount struct {
	Where     string  `json:"where"`
	Code      string  `json:"code"`
	Namespace string  `json:"namespace,omitempty"`
	Count     float64 `json:"count"`
}

type redisState struct {
	Up    bool   `json:"up"` // whether it takes writes, by its last report to this node
	Error string `json:"error,omitempty"`
}

type clusterState struct {
	Mode    string             `json:"mode"`
	Alone   bool               `json:"alone"`
	Backlog int                `json:"backlog"`
	LagMs   int64              `json:"lagMs"`
	Nodes   []cluster.NodeInfo `json:"nodes"`
}

// lateNews is sent to the page when it has changed.
type lateNews struct {
	Refusals    map[string][]refusal `json:"refusals"`
	Cuts        []slowCut            `json:"cuts"`
	Revocations []revocationJSON     `json:"revocations"`
}

// behind is a client with a long send queue.
type behind struct {
	User      string `json:"user"`
	Namespace string `json:"namespace"`
	Socket    string `json:"socket"`
	Eighths   int    `json:"eighths"` // of what may wait for it
}

func (s *Server) now() nowStats {
	held := s.engine.Stats()
	n := nowStats{
		stats: s.stats(), At: time.Now(), Version: s.cfg.Version, Leaving: s.leaving.Load(), Closing: held.Closing,
		OutboxBytes: held.OutboxBytes, OutboxTotal: s.inForce.Load().Engine.OutboxTotal, IncomingBytes: held.IncomingBytes, Cuts: held.Cuts,
		Refused: []refusedCount{},
	}
	if m := s.metrics; m != nil {
		n.Deliveries = sum(m.deliveries)
		m.events.each(func(of labels, c prometheus.Counter) {
			n.Events += valueOf(c)
			if of[2] == "failed" {
				n.Failed += valueOf(c)
			}
		})
		n.Refused = m.refusedCounts()
	}
	if s.redis != nil {
		err := s.redis.Known()
		n.Redis = &redisState{Up: err == nil}
		if err != nil {
			n.Redis.Error = shortened(err.Error())
		}
	}
	if s.node != nil {
		status := s.node.Status()
		n.Node = s.node.ID()
		n.Cluster = &clusterState{Mode: s.cfg.Cluster.Mode, Alone: status.Alone, Backlog: status.Backlog, LagMs: status.Lag.Milliseconds(), Nodes: s.node.Nodes()}
	}
	return n
}

// refusedCounts are the refusals of all kinds.
func (m *metrics) refusedCounts() []refusedCount {
	all := []refusedCount{}
	m.refused.each(func(of labels, c prometheus.Counter) {
		all = append(all, refusedCount{Where: "namespace", Namespace: of[0], Code: of[1], Count: valueOf(c)})
	})
	m.handshakes.each(func(of labels, c prometheus.Counter) {
		all = append(all, refusedCount{Where: "connection", Code: of[0], Count: valueOf(c)})
	})
	m.requests.each(func(of labels, c prometheus.Counter) {
		all = append(all, refusedCount{Where: "request", Code: of[0], Count: valueOf(c)})
	})
	return all
}

// mostBehind lists the clients with the largest send queues. When nothing waits, no
// client is asked.
func (s *Server) mostBehind() []behind {
	all := []behind{}
	if s.engine.Stats().OutboxBytes == 0 {
		return all
	}
	for ns := range s.hub.Namespaces() {
		for socket := range ns.All() {
			c, ok := socket.Conn().(*conn)
			if !ok {
				continue
			}
			if n := c.Backlog(); n > 0 {
				all = append(all, behind{User: socket.Identity().Subject, Namespace: ns.Name(), Socket: socket.ID(), Eighths: n})
			}
		}
	}
	slices.SortFunc(all, func(a, b behind) int {
		return cmp.Or(cmp.Compare(b.Eighths, a.Eighths), cmp.Compare(a.Socket, b.Socket))
	})
	return all[:min(len(all), mostBehind)]
}

// newestRevocations lists the revocations that were made last.
func (s *Server) newestRevocations() []revocationJSON {
	revocations := s.gate().Revocations().All()
	all := make([]revocationJSON, len(revocations))
	for i, m := range revocations {
		all[i] = revocationOf(m)
	}
	slices.SortFunc(all, func(a, b revocationJSON) int { return b.At.Compare(a.At) })
	return all[:min(len(all), mostRevocations)]
}

func sum(b *bounded[prometheus.Counter]) (n float64) {
	b.each(func(_ labels, c prometheus.Counter) { n += valueOf(c) })
	return n
}

// valueOf reads a counter.
func valueOf(c prometheus.Counter) float64 {
	var m dto.Metric
	if c.Write(&m) != nil {
		return 0 // a counter's own Write returns no error
	}
	return m.GetCounter().GetValue()
}
