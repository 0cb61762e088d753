package engine

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Peer is the part of the HTTP request that opened a session which the session
// keeps. It does not change.
type Peer struct {
	Header     http.Header // the headers of Config.KeepHeaders that were there; may be nil
	Query      url.Values  // without EIO, transport, sid, t and b64; may be nil
	Host       string
	RemoteAddr netip.AddrPort
	// TLS is the state of the connection when a client certificate came with it,
	// else nil; Secure says whether there was TLS at all.
	TLS       *tls.ConnectionState
	Secure    bool
	Transport string // "polling" or "websocket": what the session was opened with
	// Context is what Config.Context made of the request; nil without it.
	Context context.Context // its values are the session's
}

// newPeer copies what is kept, so that the request itself can be freed.
func (srv *Server) newPeer(r *http.Request, transport string) *Peer {
	p := &Peer{Host: strings.Clone(r.Host), Secure: r.TLS != nil, Transport: transport}
	p.RemoteAddr, _ = netip.ParseAddrPort(r.RemoteAddr)
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		p.TLS = r.TLS
	}
	for _, name := range srv.cfg.KeepHeaders {
		for _, value := range r.Header.Values(name) {
			if p.Header == nil {
				p.Header = http.Header{}
			}
			p.Header[name] = append(p.Header[name], strings.Clone(value))
		}
	}
	for name, values := range Query(r) {
		if p.Query == nil {
			p.Query = url.Values{}
		}
		for _, value := range values {
			p.Query.Add(strings.Clone(name), strings.Clone(value))
		}
	}
	return p
}
