package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	runtimemetrics "runtime/metrics"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/cluster"
	"gatehouse/engine"
)

// collector gives the state of the server at the moment of a scrape, and its
// counters. It implements prometheus.Collector.
type collector struct {
	srv    *Server
	gauges []gauge
}

// reading is the state that the gauges of one scrape show.
type reading struct {
	stats  stats
	engine engine.Stats
	node   cluster.Status
	nodes  int
	counts *cluster.Counts
	ready  bool // the last state of Redis; true without Redis
}

// gauge is one series with its value.
type gauge struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  func(*reading) float64
	labels []string
}

func newCollector(s *Server) *collector {
	c := &collector{srv: s}
	gauge := func(name, help string, value func(*reading) float64) { c.add(prometheus.GaugeValue, name, help, value) }
	counter := func(name, help string, value func(*reading) uint64) {
		c.add(prometheus.CounterValue, name, help, func(r *reading) float64 { return float64(value(r)) })
	}
	gauge("gatehouse_connections", "Open Engine.IO sessions.", func(r *reading) float64 { return float64(r.stats.Connections) })
	gauge("gatehouse_connections_pending", "Those of them that are in no namespace.", func(r *reading) float64 { return float64(r.stats.Pending) })
	gauge("gatehouse_connections_silent", "TCP connections without a complete request.", func(r *reading) float64 { return float64(r.stats.Silent) })
	gauge("gatehouse_connections_closing", "Sessions that are closing.", func(r *reading) float64 { return float64(r.engine.Closing) })
	gauge("gatehouse_sockets", "Admitted sockets.", func(r *reading) float64 { return float64(r.stats.Sockets) })
	gauge("gatehouse_sockets_parked", "Sockets whose connection broke and whose clients may come back.", func(r *reading) float64 { return float64(r.stats.Parked) })
	gauge("gatehouse_rooms", "Rooms with a member on this node.", func(r *reading) float64 { return float64(r.stats.Rooms) })
	gauge("gatehouse_revocation_marks", "Revocations in force.", func(r *reading) float64 { return float64(r.stats.Revocations) })
	gauge("gatehouse_draining", "1 while the server drains.", func(r *reading) float64 { return flag(r.stats.Draining) })
	counter("gatehouse_connections_silent_closed_total", "TCP connections closed because too many were silent.", func(r *reading) uint64 { return r.stats.SilentClosed })
	gauge("gatehouse_outbox_bytes", "What waits for all clients together.", func(r *reading) float64 { return float64(r.engine.OutboxBytes) })
	gauge("gatehouse_incoming_bytes", "What is held of what all clients have sent.", func(r *reading) float64 { return float64(r.engine.IncomingBytes) })
	counter("gatehouse_incoming_cuts_total", "Connections that ended because too much was held of what was sent.", func(r *reading) uint64 { return r.engine.IncomingCuts })
	c.cuts()
	c.build()
	if s.redis != nil {
		gauge("gatehouse_redis_up", "1 when Redis takes writes, as far as this node was told last.", func(r *reading) float64 { return flag(r.ready) })
	}
	if s.node != nil {
		c.cluster(gauge, counter)
	}
	return c
}

func (c *collector) add(kind prometheus.ValueType, name, help string, value func(*reading) float64) {
	c.gauges = append(c.gauges, gauge{desc: prometheus.NewDesc(name, help, nil, nil), kind: kind, value: value})
}

// cuts are the slow consumers that were cut, by the limit that they met.
func (c *collector) cuts() {
	desc := prometheus.NewDesc("gatehouse_outbox_cuts_total", "Slow consumers that were cut, by the limit that they met.", []string{"limit"}, nil)
	for limit, value := range map[string]func(engine.Cuts) uint64{
		"engine.outbox_bytes": func(cuts engine.Cuts) uint64 { return cuts.Full },
		"engine.outbox_age":   func(cuts engine.Cuts) uint64 { return cuts.Age },
		"engine.outbox_total": func(cuts engine.Cuts) uint64 { return cuts.Total },
	} {
		c.gauges = append(c.gauges, gauge{
			desc: desc, kind: prometheus.CounterValue, labels: []string{limit},
			value: func(r *reading) float64 { return float64(value(r.engine.Cuts)) },
		})
	}
}

// build names what runs.
func (c *collector) build() {
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	c.gauges = append(c.gauges, gauge{
		desc: prometheus.NewDesc("gatehouse_build_info", "1, with the program's version and Go's.", []string{"version", "goversion"}, nil),
		kind: prometheus.GaugeValue, labels: []string{c.srv.cfg.Version, goVersion},
		value: func(*reading) float64 { return 1 },
	})
}

// cluster is the node's state in its cluster.
func (c *collector) cluster(gauge func(name, help string, value func(*reading) float64), counter func(name, help string, value func(*reading) uint64)) {
	gauge("gatehouse_cluster_nodes", "Nodes that are there, this one included.", func(r *reading) float64 { return float64(r.nodes) })
	gauge("gatehouse_cluster_alone", "1 while Redis does not answer and the node goes on alone.", func(r *reading) float64 { return flag(r.node.Alone) })
	gauge("gatehouse_cluster_backlog_operations", "Operations that are not back from Redis.", func(r *reading) float64 { return float64(r.node.Backlog) })
	gauge("gatehouse_cluster_backlog_bytes", "Bytes of them.", func(r *reading) float64 { return float64(r.node.Bytes) })
	gauge("gatehouse_cluster_lag_seconds", "How far the reader that is furthest behind is behind the end of its stream.", func(r *reading) float64 { return r.node.Lag.Seconds() })
	counter("gatehouse_cluster_alone_total", "Times that the node went on alone.", func(r *reading) uint64 { return r.counts.WentAlone.Load() })
	counter("gatehouse_cluster_written_total", "Operations written into streams, or published.", func(r *reading) uint64 { return r.counts.Written.Load() })
	counter("gatehouse_cluster_read_total", "Entries read from streams, or operations that were heard.", func(r *reading) uint64 { return r.counts.Read.Load() })
	counter("gatehouse_cluster_missing_total", "Operations of other nodes that did not come.", func(r *reading) uint64 { return r.counts.Missing.Load() })
	counter("gatehouse_cluster_dropped_total", "Operations of this node that did not fit the backlog, or could not be published.", func(r *reading) uint64 { return r.counts.Dropped.Load() })
	counter("gatehouse_cluster_refused_total", "Messages in Redis that were malformed or not signed.", func(r *reading) uint64 { return r.counts.Refused.Load() })
	counter("gatehouse_cluster_links_lost_total", "Times that a subscription was lost: what was published meanwhile was not heard.", func(r *reading) uint64 { return r.counts.LinksLost.Load() })
	counter("gatehouse_cluster_forwarded_total", "Requests handed to the nodes that have their sessions.", func(r *reading) uint64 { return r.counts.Forwarded.Sent.Load() })
	counter("gatehouse_cluster_forward_failures_total", "Those of them whose node did not answer.", func(r *reading) uint64 { return r.counts.Forwarded.Failed.Load() })
	counter("gatehouse_cluster_served_total", "Requests that other nodes have handed over.", func(r *reading) uint64 { return r.counts.Forwarded.Served.Load() })
	counter("gatehouse_cluster_served_refused_total", "Requests on the listener of the nodes that none has signed for this one.", func(r *reading) uint64 { return r.counts.Forwarded.Refused.Load() })
	counter("gatehouse_cluster_unheard_total", "Messages between nodes that were dropped because this one was behind.", func(r *reading) uint64 { return r.counts.Unheard.Load() })
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, v := range c.srv.metrics.vectors {
		v.Describe(to)
	}
	for _, g := range c.gauges {
		to <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	for _, v := range c.srv.metrics.vectors {
		v.Collect(to)
	}
	r := reading{stats: c.srv.stats(), engine: c.srv.engine.Stats(), ready: c.srv.redis == nil || c.srv.redis.Known() == nil}
	if n := c.srv.node; n != nil {
		r.node, r.nodes, r.counts = n.Status(), len(n.Nodes()), n.Counts()
	}
	for _, g := range c.gauges {
		to <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(&r), g.labels...)
	}
}

// prepareMetrics makes the metrics of /metrics, and registers them with the
// program that embeds the server.
func (s *Server) prepareMetrics() error {
	if s.metrics == nil {
		return nil
	}
	all := newCollector(s)
	own := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		all, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "go_gc_cycles_total", Help: "Collections."}, collections),
	} {
		if err := own.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	s.scrape = promhttp.HandlerFor(own, promhttp.HandlerOpts{EnableOpenMetrics: true})
	if s.cfg.Registry == nil {
		return nil
	}
	if err := s.cfg.Registry.Register(all); err != nil {
		if taken := (prometheus.AlreadyRegisteredError{}); errors.As(err, &taken) {
			err = errors.New("gatehouse_connections and all others of a server are there already; give each server a registry, or wrap it with a label")
		}
		return fmt.Errorf("registry: %w", err)
	}
	s.unregister = func() { s.cfg.Registry.Unregister(all) }
	return nil
}

// collections is how often the garbage collector has run.
func collections() float64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	runtimemetrics.Read(sample)
	return float64(sample[0].Value.Uint64())
}

// serveMetrics answers a scrape.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.scrape.ServeHTTP(w, r)
}
