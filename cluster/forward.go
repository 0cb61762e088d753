package cluster

import (
	"context"
	"crypto/hmac"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/sampled"
)

// forwardHeader names the node that hands a request on, the node that gets it, the client, and the signature over all of it.
const forwardHeader = "Gatehouse-Forward"

// signedHeaders are the header fields that decide about a client. Nobody between the nodes may change them.
var signedHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Origin", "Sec-Fetch-Site", "Sec-Websocket-Key",
	"Sec-Websocket-Protocol", "Upgrade", "X-Forwarded-For", "X-Forwarded-Proto",
}

// forwarding hands requests of foreign sessions to their nodes, over a listener of the nodes' own (security requirement 29).
type forwarding struct {
	proxy httputil.ReverseProxy
	hops  *hops
	count atomic.Uint64 // for requests that this node has handed on
	way   onWay
	log   *slog.Logger // of what every request may say

	mu    sync.Mutex // guards peers
	peers map[string]*Peer
}

// Forwarded are the counts of forwarding.
type Forwarded struct {
	Sent    atomic.Uint64 // requests handed to other nodes
	Failed  atomic.Uint64 // those among them whose node did not answer
	Served  atomic.Uint64 // requests of other nodes
	Refused atomic.Uint64 // requests on the nodes' listener without a node's signature for this one
}

// forwardKey is the context key of the node that a request goes to.
type forwardKey struct{}

const (
	forwardDial   = 2 * time.Second
	forwardIdle   = time.Minute
	forwardPerHop = 512 // how many idle connections to one node are kept
)

func (n *Node) initForwarding() {
	f := &n.forward
	f.peers, f.log = make(map[string]*Peer), sampled.Logger(n.cfg.Logger)
	f.hops = newHops(n.cfg.TLS)
	f.proxy = httputil.ReverseProxy{
		Rewrite: n.rewrite, FlushInterval: -1, ErrorHandler: n.unreachable, ErrorLog: log.New(io.Discard, "", 0), Transport: f.hops,
	}
}

// ID names the node in session ids.
func (n *Node) ID() string { return n.uid }

// Forward serves a request through the node that has its session. When there is no such node, or it has no listener,
// Forward does nothing and reports false: the session is unknown.
func (n *Node) Forward(w http.ResponseWriter, r *http.Request, node string) bool {
	info, ok := n.whoIs(r.Context(), node)
	if !ok || info.Address == "" || !n.signer.on() || r.Header[forwardHeader] != nil {
		return false
	}
	if r.Header.Get("Upgrade") != "" && n.forward.way.isLeaving() {
		refuseLeaving(w)
		return true
	}
	ctx, done := n.forward.way.begin(r.Context(), n.ctx)
	defer done()
	n.counts.Forwarded.Sent.Add(1)
	n.forward.proxy.ServeHTTP(w, r.WithContext(withNode(ctx, info)))
	return true
}

// whoIs finds a node. A node that has just started waits a moment for the others to say that they are there.
func (n *Node) whoIs(ctx context.Context, node string) (NodeInfo, bool) {
	const look = 20 * time.Millisecond
	for {
		info, ok := n.asking.node(node)
		if ok || !validUID(node) || time.Since(n.began) > heartbeat {
			return info, ok
		}
		select {
		case <-ctx.Done():
			return info, false
		case <-n.ctx.Done():
			return info, false
		case <-time.After(look):
		}
	}
}

func withNode(ctx context.Context, info NodeInfo) context.Context {
	return context.WithValue(ctx, forwardKey{}, info)
}

func nodeOf(ctx context.Context) NodeInfo {
	info, _ := ctx.Value(forwardKey{}).(NodeInfo)
	return info
}

// rewrite addresses a request to the node and signs it.
func (n *Node) rewrite(p *httputil.ProxyRequest) {
	info := nodeOf(p.In.Context())
	out := p.Out
	out.URL.Scheme, out.URL.Host = hopURL(info)
	out.Host = p.In.Host
	out.URL.RawQuery = p.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v := p.In.Header[name]; v != nil {
			out.Header[name] = v
		}
	}
	n.seal(out, info.ID, p.In.RemoteAddr, p.In.TLS != nil)
}

// seal signs a request for a node.
func (n *Node) seal(r *http.Request, to, client string, secure bool) {
	h := passage{from: n.uid, to: to, number: n.forward.count.Add(1), at: n.cfg.Now().UnixMilli(), client: client, secure: secure}
	r.Header.Set(forwardHeader, h.text(n.signer, r))
}

// unreachable answers for a node that cannot be reached: its sessions are gone with it, and the client reconnects at once.
func (n *Node) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // the client is there
		n.counts.Forwarded.Failed.Add(1)
		n.unreached(nodeOf(r.Context()), err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"code":1,"message":"Session ID unknown"}`) // as the engine says it
}

// unreached logs the reason for which a node could not be reached.
func (n *Node) unreached(info NodeInfo, err error) {
	n.forward.log.Warn("cluster: a node cannot be reached at its cluster.advertise", slog.String("node", info.Name),
		slog.String("address", info.Address), slog.Any("error", err))
}

// Owned serves the nodes' own listener: requests that another node has signed for this one, as if their clients had
// come here. Everything else is refused. serve gets the node that a request has come through. leave is called once when
// that node says that it is about to end; its context ends when that node stops waiting.
func (n *Node) Owned(serve func(http.ResponseWriter, *http.Request, *Peer), leave func(context.Context, *Peer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, from := n.admits(r)
		if from == nil {
			n.counts.Forwarded.Refused.Add(1)
			w.Header().Set(forwardHeader, "refused") // an answer for the forwarding node, which has a better one for its client
			http.Error(w, "This address is for nodes of the cluster.", http.StatusForbidden)
			return
		}
		if p.client == leavingClient {
			if !from.leaving.Swap(true) {
				leave(r.Context(), from)
			}
			return
		}
		n.counts.Forwarded.Served.Add(1)
		r.Header.Del(forwardHeader)
		r.RemoteAddr = p.client
		r.TLS = nil
		if p.secure {
			r.TLS = &tls.ConnectionState{} // only whether it was there; the certificate was read at the handshake
		}
		serve(w, r, from)
	})
}

// admits checks a request of another node: signed for this one, not long ago, and not seen before. It returns that
// node, or nil. The signature proves that the node has the secret, so its heartbeats need not have been heard here.
func (n *Node) admits(r *http.Request) (passage, *Peer) {
	values := r.Header.Values(forwardHeader)
	if len(values) != 1 || !n.signer.on() {
		return passage{}, nil
	}
	p, sig, ok := parsePassage(values[0])
	if !ok || p.to != n.uid || !hmac.Equal([]byte(sig), []byte(p.signature(n.signer, r))) {
		return p, nil
	}
	age := n.cfg.Now().Sub(time.UnixMilli(p.at))
	if age > clockSlack || age < -clockSlack {
		return p, nil
	}
	n.forward.mu.Lock()
	defer n.forward.mu.Unlock()
	from := n.forward.peers[p.from]
	if from == nil { // a node that has just started may ask before its first heartbeat is heard here
		if len(n.forward.peers) >= 2*maxMembers {
			clear(n.forward.peers) // thousands of nodes have come and gone; their names do not come again
		}
		from = new(Peer)
		n.forward.peers[p.from] = from
	}
	if !from.window.first(p.number) {
		return p, nil
	}
	return p, from
}

// passage is what the header says.
type passage struct {
	from, to string
	number   uint64 // number of the requests that from has handed on
	at       int64
	client   string // its address and port
	secure   bool   // it came over TLS
}

func (p *passage) text(s signer, r *http.Request) string {
	return strings.Join([]string{
		p.from, p.to, strconv.FormatUint(p.number, 10), strconv.FormatInt(p.at, 10), strconv.FormatBool(p.secure), p.client,
		p.signature(s, r),
	}, " ")
}

func parsePassage(text string) (p passage, signature string, ok bool) {
	f := strings.Split(text, " ")
	if len(f) != 7 {
		return p, "", false
	}
	p.from, p.to, p.client, signature = f[0], f[1], f[5], f[6]
	var err, err2 error
	p.number, err = strconv.ParseUint(f[2], 10, 64)
	p.at, err2 = strconv.ParseInt(f[3], 10, 64)
	p.secure = f[4] == "true"
	return p, signature, err == nil && err2 == nil && (p.secure || f[4] == "false")
}

// signature signs all parts of the request that matter, but not its body, which is streamed.
func (p *passage) signature(s signer, r *http.Request) string {
	parts := []string{
		p.from, p.to, strconv.FormatUint(p.number, 10), strconv.FormatInt(p.at, 10), strconv.FormatBool(p.secure), p.client,
		r.Method, r.Host, r.URL.RequestURI(),
	}
	for _, name := range signedHeaders {
		values := r.Header[name]
		if name == "Content-Length" {
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		parts = append(parts, strconv.Itoa(len(values)))
		parts = append(parts, values...)
	}
	return hex.EncodeToString(s.sign("forward", parts...))
}

// window remembers which of the newest numbers have been seen, as in RFC 6479. Older numbers count as seen.
type window struct {
	highest uint64
	seen    [windowSize / 64]uint64
}

const windowSize = 1 << 16

// first reports whether a number is seen for the first time.
func (w *window) first(number uint64) bool {
	if number == 0 || number+windowSize <= w.highest {
		return false
	}
	if number > w.highest {
		for k := w.highest + 1; k <= number && k-w.highest <= windowSize; k++ {
			w.seen[k%windowSize/64] &^= 1 << (k % 64)
		}
		w.highest = number
	}
	bit := uint64(1) << (number % 64)
	old := w.seen[number%windowSize/64]
	w.seen[number%windowSize/64] = old | bit
	return old&bit == 0
}
