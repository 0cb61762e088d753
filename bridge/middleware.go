package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	zengine "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/handshake"
)

// Gate identifies clients for Middleware; a [*handshake.Gate] is one. It is
// called concurrently. An error that is no [*handshake.Refusal] counts as
// handshake.CodeUnavailable, never as an admission.
type Gate interface {
	Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error)
}

// CheckTimeout limits one question to the gate.
const CheckTimeout = 10 * time.Second

// Middleware admits a socket to a namespace of a zishang520 server when the gate
// gives an identity:
//
//	io.Use(bridge.Middleware(gate))                // the namespace "/"
//	io.Of("/chat", nil).Use(bridge.Middleware(gate))
//
// It works on that library's engine and on ours. The gate sees the CONNECT
// payload, and headers, query, cookies, client certificate and address of the
// request that opened the connection. The identity becomes the socket's data,
// see [Identity]. A refusal is a CONNECT_ERROR with the message for people and
// data {code, retryAfterMs?} for programs.
//
// Each namespace needs its own: admission to one opens no other. Behind proxies,
// also pass their networks ([handshake.TrustedProxies]), otherwise the proxy's
// address counts as the client's. With the library's connection state recovery
// on, call its SetSkipMiddlewares(false), otherwise a client that comes back is
// admitted without a check, even if it has been revoked. An identity that
// expires later ends no socket here: the library has no place for that.
func Middleware(gate Gate, proxies ...netip.Prefix) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		r, err := requestOf(s, proxies)
		if err != nil {
			next(refused(err))
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), CheckTimeout)
		defer cancel()
		id, err := gate.Check(ctx, r)
		if err != nil {
			next(refused(err))
			return
		}
		s.SetData(id)
		tellOfEnd(gate, s.Conn())
		next(nil)
	}
}

// Identity returns the identity of a socket that [Middleware] admitted,
// unless the application has replaced its data. It takes a *socket.Socket or
// a *socket.RemoteSocket; sockets of other nodes carry data without its type.
func Identity(s interface{ Data() any }) (id handshake.Identity, ok bool) {
	id, ok = s.Data().(handshake.Identity)
	return id, ok
}

// requestOf collects what the client of s brought.
func requestOf(s *socket.Socket, proxies handshake.TrustedProxies) (*handshake.Request, error) {
	auth, err := payload(s.Handshake().Auth)
	if err != nil {
		return nil, fmt.Errorf("encode the auth payload: %w", err)
	}
	r := s.Request().Request()
	peer, _ := netip.ParseAddrPort(s.Conn().RemoteAddress()) // not an address: not trusted
	query := url.Values(s.Handshake().Query)
	return &handshake.Request{
		Namespace:  s.Nsp().Name(),
		Auth:       auth,
		Header:     http.Header(s.Handshake().Headers),
		Query:      query,
		Host:       r.Host,
		RemoteAddr: handshake.ClientAddr(peer.Addr(), r.Header, proxies),
		Secure:     handshake.Secure(peer.Addr(), r.Header, r.TLS != nil, proxies),
		ViaProxy:   proxies.Trusts(peer.Addr()),
		TLS:        r.TLS,
		Transport:  query.Get("transport"),
		SessionID:  s.Conn().Id(),
	}, nil
}

// payload is the library's decoded CONNECT payload as JSON again, nil for none.
func payload(auth any) (json.RawMessage, error) {
	if auth == nil {
		return nil, nil
	}
	return json.Marshal(auth)
}

// refused is the library's form of a refusal.
func refused(err error) *socket.ExtendedError {
	refusal := handshake.AsRefusal(err)
	data := map[string]any{"code": string(refusal.Code)}
	if refusal.RetryAfter > 0 {
		data["retryAfterMs"] = refusal.RetryAfter.Milliseconds()
	}
	return socket.NewExtendedError(refusal.Message, data)
}

// toldOfEnd marks a connection whose end the gate will be told of. A client
// may CONNECT any number of times, and one listener is enough.
const toldOfEnd = events.EventName("gatehouse:told of end")

// tellOfEnd lets a gate forget its state of a connection, such as the
// redeemed ticket.
func tellOfEnd(gate Gate, conn zengine.Socket) {
	keeper, ok := gate.(interface{ SessionClosed(session string) })
	if !ok || conn.ListenerCount(toldOfEnd) > 0 {
		return
	}
	_ = conn.On(toldOfEnd, func(...any) {})
	_ = conn.Once("close", func(...any) { keeper.SessionClosed(conn.Id()) })
}
