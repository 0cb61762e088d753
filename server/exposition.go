package server

import (
	"bufio"

	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/engine"
)

// counters is one metric: a count for each combination of label values. The
// zero value is ready; it is safe for concurrent use.
type counters struct {
	mu  sync.RWMutex // guards all, not the counts in it
	all map[labels]*atomic.Uint64
}

// labels are the values of up to three labels.
type labels [3]string

// maxSeries bounds one metric; what comes after is counted together. Namespaces,
// events and codes are the program's own, so this is not reached.
const maxSeries = 4096

func (c *counters) add(n uint64, values ...string) {
	var key labels
	copy(key[:], values)
	c.mu.RLock()
	count := c.all[key]
	c.mu.RUnlock()
	if count == nil {
		count = c.make(key)
	}
	count.Add(n)
}

func (c *counters) make(key labels) *atomic.Uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[labels]*atomic.Uint64)
	}
	if len(c.all) >= maxSeries {
		key = labels{"other", "other", "other"}
	}
	if c.all[key] == nil {
		c.all[key] = new(atomic.Uint64)
	}
	return c.all[key]
}

type sample struct {
	labels labels
	value  uint64
}

// samples gives the counts in the order of their labels.
func (c *counters) samples() []sample {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]sample, 0, len(c.all))
	for key, count := range c.all {
		out = append(out, sample{key, count.Load()})
	}
	slices.SortFunc(out, func(a, b sample) int { return slices.Compare(a.labels[:], b.labels[:]) })
	return out
}

// exposition writes the text format of Prometheus, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Errors of w
// are kept until the end.
type exposition struct{ w *bufio.Writer }

func newExposition(w io.Writer) exposition { return exposition{bufio.NewWriter(w)} }

func (e exposition) head(name, kind, help string) {
	_, _ = fmt.Fprintf(e.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (e exposition) gauge(name, help string, value float64) {
	e.head(name, "gauge", help)
	_, _ = fmt.Fprintf(e.w, "%s %s\n", name, strconv.FormatFloat(value, 'g', -1, 64))
}

func (e exposition) counter(name, help string, value uint64) {
	e.head(name, "counter", help)
	_, _ = fmt.Fprintf(e.w, "%s %d\n", name, value)
}

// vector writes a counter with labels; scale turns counts into the unit.
func (e exposition) vector(name, help string, c *counters, scale float64, names ...string) {
	e.head(name, "counter", help)
	for _, s := range c.samples() {
		pairs := make([]string, len(names))
		for i, label := range names {
			pairs[i] = label + `="` + escapeLabel.Replace(s.labels[i]) + `"`
		}
		set := ""
		if len(pairs) > 0 {
			set = "{" + strings.Join(pairs, ",") + "}"
		}
		_, _ = fmt.Fprintf(e.w, "%s%s %s\n", name, set, strconv.FormatFloat(float64(s.value)*scale, 'f', -1, 64))
	}
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// serveMetrics answers a scrape.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = s.writeMetrics(w) // a failed write means that the scraper is gone
}

func (s *Server) writeMetrics(w io.Writer) error {
	e := newExposition(w)
	st, m := s.stats(), s.metrics
	e.gauge("gatehouse_connections", "Open Engine.IO sessions.", float64(st.Connections))
	e.gauge("gatehouse_connections_pending", "Those of them that are in no namespace.", float64(st.Pending))
	e.gauge("gatehouse_connections_silent", "TCP connections that belong to no session.", float64(st.Silent))
	e.gauge("gatehouse_connections_closing", "Sessions that are closing.", float64(s.engine.Stats().Closing))
	e.gauge("gatehouse_sockets", "Admitted sockets.", float64(st.Sockets))
	e.gauge("gatehouse_rooms", "Rooms with a member on this node.", float64(st.Rooms))
	e.gauge("gatehouse_revocation_marks", "Revocations in force.", float64(st.Revocations))
	e.gauge("gatehouse_draining", "1 while the server drains.", float64(btoi(st.Draining)))
	e.counter("gatehouse_connections_silent_closed_total", "TCP connections closed because too many were silent.", st.SilentClosed)
	e.outboxes(s.engine.Stats())
	e.vector("gatehouse_connections_closed_total", "Ended sessions by reason; slow consumer is a full outbox.", &m.closed, 1, "reason")
	e.vector("gatehouse_handshakes_refused_total", "Engine.IO requests refused with HTTP.", &m.handshakes, 1, "code")
	e.vector("gatehouse_connects_refused_total", "CONNECTs answered with CONNECT_ERROR.", &m.refused, 1, "namespace", "code")
	e.vector("gatehouse_requests_refused_total", "HTTP requests refused outside the protocol.", &m.requests, 1, "code")
	e.vector("gatehouse_sockets_opened_total", "Admitted sockets.", &m.socketsOpened, 1, "namespace")
	e.vector("gatehouse_sockets_closed_total", "Ended sockets.", &m.socketsClosed, 1, "namespace", "reason")
	e.vector("gatehouse_events_total", "Events of clients that were handled.", &m.events, 1, "namespace", "event", "result")
	e.vector("gatehouse_event_seconds_total", "Time that the handlers of events took.", &m.eventSeconds, 1/float64(time.Second), "namespace")
	e.vector("gatehouse_broadcasts_total", "Broadcasts.", &m.broadcasts, 1, "namespace")
	e.vector("gatehouse_deliveries_total", "Sockets that broadcasts were queued for.", &m.deliveries, 1, "namespace")
	e.vector("gatehouse_tickets_minted_total", "Tickets given out.", &m.tickets, 1)
	e.vector("gatehouse_revocations_total", "Revocations made.", &m.revocations, 1, "kind")
	e.cluster(s.node)
	e.process()
	return e.w.Flush()
}

// outboxes writes what waits for clients, and who was cut for it.
func (e exposition) outboxes(st engine.Stats) {
	e.gauge("gatehouse_outbox_bytes", "What waits for all clients together.", float64(st.OutboxBytes))
	e.gauge("gatehouse_incoming_bytes", "What is held of what all clients have sent.", float64(st.IncomingBytes))
	e.counter("gatehouse_incoming_cuts_total", "Connections that ended because too much was held of what was sent.", st.IncomingCuts)
	var cuts counters
	cuts.add(st.Cuts.Full, "engine.outbox_bytes")
	cuts.add(st.Cuts.Age, "engine.outbox_age")
	cuts.add(st.Cuts.Total, "engine.outbox_total")
	e.vector("gatehouse_outbox_cuts_total", "Slow consumers that were cut, by the limit that they met.", &cuts, 1, "limit")
}

// process writes what the run-time knows of itself.
func (e exposition) process() {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	e.gauge("go_goroutines", "Goroutines.", float64(runtime.NumGoroutine()))
	e.gauge("go_memstats_heap_inuse_bytes", "Heap in use.", float64(mem.HeapInuse))
	e.gauge("go_memstats_sys_bytes", "Memory taken from the system.", float64(mem.Sys))
	e.counter("go_gc_cycles_total", "Collections.", uint64(mem.NumGC))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
