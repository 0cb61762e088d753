package engine

import "net"

// poller reads many connections with few goroutines and borrowed buffers, so
// that an idle connection holds neither.
type poller interface {
	// take makes a stream of conn, unless its socket is hidden.
	take(conn net.Conn, owner streamOwner) (stream, bool)
	// close returns when no connection is read any more.
	close()
}
