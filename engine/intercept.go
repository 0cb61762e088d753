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
// A connection that begins with a plain request for a WebSocket at path, with and
// without a last slash, is served at once and never seen by the http.Server: that
// saves a third of what connecting costs. Everything else comes out of Accept as
// if it came from ln: other requests, and any doubt about what is asked. On
// systems without a poller of ours and for listeners that are not TCP, that is
// every connection.
//
// Handlers around the Server do not see the requests that are served so; what
// they check belongs into Config.Check and Config.CheckLater.
func (srv *Server) Intercept(ln net.Listener, path string) net.Listener {
	if srv.poller == nil {
		return ln
	}
	return srv.poller.intercept(ln, path, srv)
}

// handshaker is what serves one intercepted request: its http.ResponseWriter, and
// where takeOver finds the socket.
type handshaker struct {
	socket int
	taken  bool // the socket belongs to a session

	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *handshaker) Header() http.Header {
	if h.header == nil {
		h.header = http.Header{}
	}
	return h.header
}

// WriteHeader implements http.ResponseWriter.
func (h *handshaker) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// Write implements http.ResponseWriter.
func (h *handshaker) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

// take gives the socket away.
func (h *handshaker) take() int {
	h.taken = true
	return h.socket
}

// The limits of the good-bye to a client that was refused, as in net/http.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// refuse sends the answer of a request that did not become a WebSocket, and ends
// the connection. What the client still sends is read for a moment: a reset for it
// could overtake the answer.
func (h *handshaker) refuse(conn net.Conn, patience time.Duration) {
	defer conn.Close()
	h.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	answer := http.Response{
		StatusCode: h.status, ProtoMajor: 1, ProtoMinor: 1, Header: h.header,
		ContentLength: int64(h.body.Len()), Body: io.NopCloser(&h.body), Close: true,
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if answer.Write(conn) != nil {
		return
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}
