package engine

import (
	"errors"
	"sync/atomic"
)

// Stats is what a Server can say about itself for monitoring.
type Stats struct {
	Sessions int // open
	Closing  int // sessions that are not open any more, while their connections still are
	Silent   int // connections of the listener of Intercept that are between two polls
	// SilentCuts is how many silent connections have been closed because there were too
	// many, or because no file was left.
	SilentCuts uint64
	// OutboxBytes is how much waits for all clients together, as Config.OutboxTotal counts
	// it.
	OutboxBytes int64
	// IncomingBytes is how much is held of what clients have sent, as Config.IncomingTotal
	// counts it.
	IncomingBytes int64
	// IncomingCuts is how many sessions were closed because of
	// Config.IncomingTotal so far.
	IncomingCuts uint64
	// Cuts are the sessions that were closed with ReasonSlow so far.
	Cuts Cuts
}

// Cuts counts slow consumers by the limit that they met.
type Cuts struct {
	Full  uint64 // Config.OutboxBytes
	Age   uint64 // Config.OutboxAge
	Total uint64 // Config.OutboxTotal
}

// Stats returns the figures of now. It is safe for concurrent use and cheap.
func (srv *Server) Stats() Stats {
	return Stats{
		Sessions:      srv.Sessions(),
		Closing:       srv.closings.count(),
		Silent:        int(srv.silent.Load()),
		SilentCuts:    srv.cuts.silent.Load(),
		OutboxBytes:   srv.budget.held.Load(),
		IncomingBytes: srv.incoming.Held(),
		IncomingCuts:  srv.cuts.incoming.Load(),
		Cuts:          Cuts{Full: srv.cuts.full.Load(), Age: srv.cuts.age.Load(), Total: srv.cuts.total.Load()},
	}
}

// cutCounts are the counters behind Cuts.
type cutCounts struct{ full, age, total, incoming, silent atomic.Uint64 }

// note counts a session that ends because of err, if it was cut.
func (c *cutCounts) note(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errOutboxFull):
		c.full.Add(1)
	case errors.Is(err, errOutboxAge):
		c.age.Add(1)
	case errors.Is(err, errOutboxTotal):
		c.total.Add(1)
	case errors.Is(err, errIncoming):
		c.incoming.Add(1)
	}
}
