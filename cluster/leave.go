package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// Peer is another node that hands requests to this one.
type Peer struct {
	leaving atomic.Bool
	window  window // guarded by forwarding.mu
}

// Leaving reports whether the node is about to end, so that requests through it should not wait.
func (p *Peer) Leaving() bool { return p.leaving.Load() }

// leavingClient stands in place of a client's address in a passage by which the node itself says that it is leaving. No
// client has it.
const leavingClient = "-"

// leavingPath is the path of that request. It only shows up in the log of a release that does not know it.
const leavingPath = "/leaving"

// onWay counts the requests that this node has handed on and that have not ended.
type onWay struct {
	mu      sync.Mutex // guards what follows
	leaving bool
	before  int           // those begun before leaving
	ended   chan struct{} // closed when all have ended, once the node is leaving
}

// begin notes a request until done is called. Its context ends with the node at the latest. It does not while the node
// is leaving, as then no request waits, and the last ones may come when the node is closed already.
func (o *onWay) begin(ctx, node context.Context) (_ context.Context, done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leaving {
		return ctx, func() {}
	}
	o.before++
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(node, cancel)
	return ctx, func() {
		stop()
		cancel()
		o.end()
	}
}

func (o *onWay) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before--
	if o.leaving && o.before == 0 {
		close(o.ended)
	}
}

// leave notes that the node is leaving. The returned channel is closed when all requests on their way have ended. It is
// nil when the node was leaving before.
func (o *onWay) leave() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leaving {
		return nil
	}
	o.leaving, o.ended = true, make(chan struct{})
	if o.before == 0 {
		close(o.ended)
	}
	return o.ended
}

func (o *onWay) isLeaving() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leaving
}

// Leave ends the requests that this node has handed on: the nodes that have the sessions answer the pending polls, and close
// the WebSockets that come through here so that their clients come back by another way. It returns when all of it has ended.
// When ctx ends before, the error says so, and [Node.Close] cuts what is left. Requests that come later are handed on as
// before, but none of them waits, and new WebSockets are refused.
func (n *Node) Leave(ctx context.Context) error {
	if n.cfg.Advertise == "" || !n.signer.on() {
		return nil
	}
	ended := n.forward.way.leave()
	if ended == nil {
		return nil
	}
	var asked sync.WaitGroup
	for _, info := range n.asking.nodes() {
		if info.Address != "" {
			asked.Go(func() { n.sayLeaving(ctx, info) })
		}
	}
	asked.Wait()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("requests of other nodes' sessions still come through this one: %w", ctx.Err())
	}
}

// sayLeaving tells one node. A node that cannot be reached has no requests under way either.
func (n *Node) sayLeaving(ctx context.Context, info NodeInfo) {
	scheme, host := hopURL(info)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+host+leavingPath, nil)
	if err != nil {
		return
	}
	n.seal(r, info.ID, leavingClient, false)
	answer, err := n.forward.hops.RoundTrip(r)
	if err == nil {
		err = answer.Body.Close()
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		n.unreached(info, err)
	}
}

// refuseLeaving refuses a new WebSocket, which could not stay. A balancer may try the next node.
func refuseLeaving(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "This node shuts down.", http.StatusServiceUnavailable)
}
