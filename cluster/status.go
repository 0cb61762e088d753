package cluster

import (
	"log/slog"
	"time"
)

// Status is the state of a node's links.
type Status struct {
	Alone   bool // Redis does not answer: the node goes on alone, for at least one stream
	Ready   bool // every stream is read
	Backlog int  // how many own operations are not back from their streams
	Bytes   int  // of them
	// Lag is the delay of the slowest reader behind the end of its stream. It is measured every few seconds, but not while Redis
	// is away.
	Lag time.Duration
}

// Status returns the state of the node.
func (n *Node) Status() Status {
	st := Status{Ready: true}
	if n.cfg.Mode != ModeStreams {
		hears, ever := n.signal.state()
		st.Alone, st.Ready, st.Backlog = ever && !hears, hears, len(n.signal.outbox)
		st.Bytes = int(n.signal.waitingBytes.Load())
	}
	for _, l := range n.lanes {
		l.mu.Lock()
		operations, bytes := l.core.Backlog()
		st.Alone = st.Alone || l.core.IsAlone()
		st.Ready = st.Ready && l.ready
		st.Lag = max(st.Lag, l.lag)
		l.mu.Unlock()
		st.Backlog += operations
		st.Bytes += bytes
	}
	return st
}

// Counts returns what the node counts.
func (n *Node) Counts() *Counts { return &n.counts }

func (n *Node) away(what string, err error) {
	if n.link.lost(what) {
		n.cfg.Logger.Warn("cluster: the link to redis is lost", slog.String("what", what), slog.Any("error", err))
	}
}

func (n *Node) back(what string) {
	if n.link.found(what) {
		n.cfg.Logger.Info("cluster: the link to redis is there", slog.String("what", what))
	}
}
