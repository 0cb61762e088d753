package engine

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// foreignResponse answers a request of another node's session. That node limits how long a client may take nothing, but
// cannot see what this client takes. So the client has Config.OutboxAge for each write here, also over a WebSocket.
type foreignResponse struct {
	http.ResponseWriter
	srv  *Server
	body bool // the request has one
}

// WriteHeader implements http.ResponseWriter. A client that has not sent its whole request by then has Config.CloseTimeout
// for the rest: what carries the request on waits for it.
func (w *foreignResponse) WriteHeader(status int) {
	w.limit()
	if w.body {
		_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(w.srv.limits().CloseTimeout))
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *foreignResponse) Write(b []byte) (int, error) {
	w.limit()
	return w.ResponseWriter.Write(b)
}

func (w *foreignResponse) limit() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.srv.writeLimit())
}

// Unwrap is for http.ResponseController.
func (w *foreignResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker.
func (w *foreignResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetWriteDeadline(w.srv.writeLimit()) // for the answer to the handshake
	return &foreignConn{Conn: conn, srv: w.srv}, rw, nil
}

// writeLimit is when a write that begins now has to end.
func (srv *Server) writeLimit() time.Time { return time.Now().Add(srv.limits().OutboxAge) }

// foreignConn is the client's side of a WebSocket whose session another node has.
type foreignConn struct {
	net.Conn
	srv *Server
}

// Write implements net.Conn.
func (c *foreignConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(c.srv.writeLimit())
	return c.Conn.Write(b)
}

// CloseWrite is called when the session has ended. The client has Config.CloseTimeout to close its side.
func (c *foreignConn) CloseWrite() error {
	_ = c.SetReadDeadline(time.Now().Add(c.srv.limits().CloseTimeout))
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
