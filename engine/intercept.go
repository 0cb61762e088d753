package engine

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

// Intercept returns a listener for the http.Server that the Server is mounted in
// at path, such as "/socket.io". It takes over ln.
//
// A connection that begins with a plain request for a WebSocket at path, with and without a
// last slash, is served at once and never seen by the http.Server: that saves more than a
// quarter of what connecting costs. One that begins with a plain request of a polling client
// is kept: requests that are beyond doubt, and there with their bodies, are served without
// the http.Server, which saves a third of what long-polling costs. Between two of them it may
// be silent for Config.IdleTimeout. Accept returns all other connections with nothing read:
// those with another request or a doubtful one, also behind a poll, and those that are silent
// for a second at the beginning. On systems without epoll and for listeners that are not TCP,
// it returns every connection.
//
// Handlers around the Server do not see the requests that are served so, nor do the hooks of
// the http.Server; put their checks into Config.Check and Config.CheckLater. Server.Close and
// Config.GivenBack concern kept connections too.
func (srv *Server) Intercept(ln net.Listener, path string) net.Listener {
	if srv.epoll == nil {
		return ln
	}
	return srv.epoll.intercept(ln, path, srv)
}

// bareResponse is what serves one intercepted request: its http.ResponseWriter, and
// where takeOver finds the socket.
type bareResponse struct {
	socket int // owned until somebody takes it over; then -1

	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *bareResponse) Header() http.Header {
	if h.header == nil {
		h.header = http.Header{}
	}
	return h.header
}

// WriteHeader implements http.ResponseWriter.
func (h *bareResponse) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// Write implements http.ResponseWriter.
func (h *bareResponse) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

// take gives the socket away.
func (h *bareResponse) take() (socket int) {
	socket, h.socket = h.socket, -1
	return socket
}

// refusal is the answer to a request that did not become a WebSocket.
func (h *bareResponse) refusal() []byte {
	h.WriteHeader(http.StatusOK) // the status when the handler has set none
	h.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	answer := http.Response{
		StatusCode: h.status, ProtoMajor: 1, ProtoMinor: 1, Header: h.header,
		ContentLength: int64(h.body.Len()), Body: io.NopCloser(&h.body), Close: true,
	}
	var b bytes.Buffer
	_ = answer.Write(&b) // into memory
	return b.Bytes()
}
