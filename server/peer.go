package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"gatehouse/engine"
	"gatehouse/handshake"
)

// keptHeaders are the headers of the Engine.IO handshake that the gate reads.
// The gate believes proxies' headers only from trusted proxies.
func keptHeaders(proxy handshake.ProxyHeaderConfig, more []string) []string {
	kept := []string{
		"Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "Sec-Websocket-Protocol",
		"X-Forwarded-For", "X-Forwarded-Proto", http.CanonicalHeaderKey(proxy.Name),
	}
	for _, name := range more {
		if name = http.CanonicalHeaderKey(name); !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept
}

// subprotocol chooses among the WebSocket protocols that a client offers.
func (s *Server) subprotocol(r *http.Request) (string, error) {
	return s.gate().SelectSubprotocol(r.Header["Sec-Websocket-Protocol"])
}

// request describes a client to the gate. It is made anew for each call, so
// that an idle connection does not keep it.
func (s *Server) request(p *engine.Peer, session string) *handshake.Request {
	peer := p.RemoteAddr.Addr()
	return &handshake.Request{
		Header:     p.Header,
		Query:      p.Query,
		Host:       p.Host,
		RemoteAddr: handshake.ClientAddr(peer, p.Header, s.proxies),
		Secure:     handshake.Secure(peer, p.Header, p.Secure, s.proxies),
		ViaProxy:   s.proxies.Trusts(peer),
		TLS:        p.TLS,
		Transport:  p.Transport,
		SessionID:  session,
		Path:       s.cfg.Path,
	}
}

// describe describes an HTTP request to the gate, as request does for a
// session.
func (s *Server) describe(r *http.Request, transport string) *handshake.Request {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr) // not an address: trusted by nobody
	peer := addr.Addr()
	return &handshake.Request{
		Header:     r.Header,
		Query:      engine.Query(r),
		Host:       r.Host,
		RemoteAddr: handshake.ClientAddr(peer, r.Header, s.proxies),
		Secure:     handshake.Secure(peer, r.Header, r.TLS != nil, s.proxies),
		ViaProxy:   s.proxies.Trusts(peer),
		TLS:        r.TLS,
		Transport:  transport,
	}
}

// clientAddr is the client's address after trusted proxies.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return handshake.ClientAddr(peer.Addr(), r.Header, s.proxies)
}

// allowsOrigin applies the gate's rule for the origin of a CONNECT to an HTTP
// request (security requirement 1).
func (s *Server) allowsOrigin(r *http.Request) bool {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // not an address: trusted by nobody
	secure := handshake.Secure(peer.Addr(), r.Header, r.TLS != nil, s.proxies)
	return s.gate().Origins().AllowedHTTP(r, secure)
}

// checkOrigin refuses an Engine.IO handshake of a foreign page: CORS alone does
// not keep such a page from opening a WebSocket.
func (s *Server) checkOrigin(r *http.Request) *engine.Refusal {
	if s.allowsOrigin(r) {
		return nil
	}
	message := s.foreign(r)
	s.httpRefused("connection", r, &handshake.Refusal{Code: handshake.CodeOriginForbidden, Message: message})
	return &engine.Refusal{Status: http.StatusForbidden, Code: forbidden, Message: message}
}

// foreign logs a request whose origin is not allowed, with the origins that
// are, and says what to do: list the origin, or trust the proxy that speaks
// TLS.
func (s *Server) foreign(r *http.Request) string {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	own := handshake.OwnOrigin(r.Host, handshake.Secure(peer.Addr(), r.Header, r.TLS != nil, s.proxies))
	message := "Pages of this origin may not connect; add it to origins.allow on the server."
	if !s.proxies.Trusts(peer.Addr()) && (r.Header["X-Forwarded-Proto"] != nil || r.Header["X-Forwarded-For"] != nil) {
		message = "The page's origin was compared with " + own + ", because the request came through a proxy that trusted_proxies does not list; list it on the server, or add the origin to origins.allow."
	}
	s.refusals.Warn("request refused", slog.String("code", string(handshake.CodeOriginForbidden)), slog.String("path", r.URL.Path),
		slog.Any("origin", r.Header["Origin"]), slog.String("own", own), slog.Any("peer", peer.Addr()), slog.String("do", message))
	return message
}

// forbidden is Engine.IO's error number for a handshake that is refused.
const forbidden = 4
