package engine

import (
	"context"
	"net/http"
	"time"
)

// Hop is another server through which requests of sessions of this one arrive, and which may end before them.
type Hop interface {
	// Leaving reports whether it is about to end. It does not change back, and may be called concurrently.
	Leaving() bool
}

// hopKey is the context key of the Hop of a request.
type hopKey struct{}

// ServeHop is ServeHTTP for a request that came through another server: see [Server.Leave].
func (srv *Server) ServeHop(w http.ResponseWriter, r *http.Request, hop Hop) {
	srv.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), hopKey{}, hop)))
}

func hopOf(r *http.Request) Hop {
	hop, _ := r.Context().Value(hopKey{}).(Hop)
	return hop
}

func leaving(hop Hop) bool { return hop != nil && hop.Leaving() }

// hopPace is how far apart a few WebSockets are closed, as with a drain.
const hopPace = 20 * time.Millisecond

var errHopLeaves = &protocolError{CodeServiceRestart, ReasonTransportClose, "the server on the way to the client shuts down"}

// Leave ends the requests and WebSockets that come through a hop, which must be leaving already. A pending poll is
// answered with nothing, so that its client polls by another way; a later poll does not wait. A probe for an upgrade
// ends. WebSockets close with the code of a restart, spread over the given time but at most 20 ms apart; frames sent
// before still go out. It returns when that is under way or ctx has ended. It is safe for concurrent use.
func (srv *Server) Leave(ctx context.Context, hop Hop, over time.Duration) {
	var closes []*Session
	for _, s := range srv.snapshot() {
		if s.frees(hop) {
			closes = append(closes, s)
		}
	}
	if len(closes) == 0 {
		return
	}
	pause := time.NewTicker(min(hopPace, max(over/time.Duration(len(closes)), time.Microsecond)))
	defer pause.Stop()
	for _, s := range closes {
		s.closeWith(Close{Reason: ReasonTransportClose, Err: errHopLeaves}, closePacket{code: CodeServiceRestart, text: string(ReasonShutdown)}, false)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// frees ends the poll and the probe that came through a hop. It reports whether the session itself ends with the hop.
func (s *Session) frees(hop Hop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != nil && s.probe.conn != nil && s.probe.conn.hop == hop {
		s.dropProbeLocked()
	}
	return s.link.letGo(hop)
}

// passOnLocked answers the pending GET when it came through a server that is leaving. Session.mu is held.
func (p *longPoll) passOnLocked() {
	if p.get != nil && leaving(p.get.hop) {
		p.reply([]*Frame{noopFrame})
	}
}
