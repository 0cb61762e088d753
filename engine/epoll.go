package engine

import "net"

// epoll reads many connections with few goroutines and borrowed buffers, so
// that an idle connection holds neither.
type epoll interface {
	// take makes a stream of conn, unless its socket is hidden.
	take(conn net.Conn, owner streamOwner) (stream, bool)
	// adopt makes a stream of a socket that is connected and does not block.
	adopt(socket int, owner streamOwner) stream
	// intercept is Server.Intercept.
	intercept(ln net.Listener, path string, srv *Server) net.Listener
	// close returns when no connection is read any more.
	close()
}
