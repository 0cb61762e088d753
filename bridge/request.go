package bridge

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"

	"github.com/zishang520/engine.io/v2/types"

	"gatehouse/engine"
)

// newRequest makes the library's context from the kept part of a client's first
// request. Nothing can be written to it, as the request has been answered.
func newRequest(p *engine.Peer, path string) *types.HttpContext {
	query := url.Values{"EIO": {"4"}, "transport": {p.Transport}}
	for name, values := range p.Query {
		query[name] = slices.Clone(values)
	}
	at := &url.URL{Path: path, RawQuery: query.Encode()}
	header := p.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	state := p.TLS
	if state == nil && p.Secure {
		state = &tls.ConnectionState{HandshakeComplete: true}
	}
	ctx := types.NewHttpContext(nowhere{}, &http.Request{
		Method: http.MethodGet, URL: at, RequestURI: at.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Host: p.Host, RemoteAddr: p.RemoteAddr.String(), TLS: state,
	})
	ctx.Flush() // ends the goroutine that comes with it
	return ctx
}

// nowhere is the response writer of a request that has been answered already.
type nowhere struct{}

// Header implements http.ResponseWriter.
func (nowhere) Header() http.Header { return http.Header{} }

// Write implements http.ResponseWriter.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (nowhere) WriteHeader(int) {}
