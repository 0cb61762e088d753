// Package bridge runs applications that were written for
// github.com/zishang520/socket.io/v2 (v2.5.0) on our handshake and our engine.
//
// [Middleware] asks a handshake gate for a socket's identity; it works on that
// library's engine and on ours. [Bind] puts our engine under the library's
// server through its public seams. [NewParser] keeps malformed packets from the
// library on its own engine.
//
// # What Bind promises
//
//   - What is no packet never reaches the library: our decoder checks it, and the
//     library's gets what our encoder makes of the result. The connection ends
//     with "parse error", the process goes on.
//   - Events of a socket are handled one after the other, the next when the
//     listeners of the one before have returned. An early event waits until the
//     connection listeners have. Sockets, also those of one connection in several
//     namespaces, do not wait for each other.
//   - Acknowledgements do not queue behind events, so a listener may wait for its
//     client.
//   - Nothing is lost or reordered on the way out: our engine sends what the
//     library emits, a packet with attachments as one unit.
//   - What a client can fill is bounded by [Config], with the outcome said there.
//   - A panic in a namespace middleware, or in a listener of "disconnect" for a
//     connection that has gone, ends that connection only.
//   - [Server.Close] returns when every goroutine of ours has ended.
//
// # How
//
// The library runs an event in two goroutines of its own and does not tell when
// they end. So each socket gets a first and a last middleware of this package,
// and each event a last listener, which is called when those of the application
// have returned. A CONNECT is done when the library has sent CONNECT_ERROR, or
// has called this package's last listener of "connection".
//
// # What the library keeps out of our hands
//
//   - A panic in a listener of a socket's event, of "connection", or in an
//     acknowledgement's callback happens in a goroutine of the library's, and ends
//     the process. Recover in the listener.
//   - An event whose middleware (Socket.Use) never calls next is given up after
//     Config.LateNext; one whose middleware calls next later than that may be
//     handled beside the event behind it. Middlewares that a namespace middleware
//     puts on its socket come before ours: what they drop is given up after
//     Config.EventWait only.
//   - A listener that starts a goroutine and returns has returned.
//   - The library still starts two goroutines for each event, and encodes each
//     emit that is no broadcast anew for its receiver.
//   - A RemoteSocket's EmitWithAck asserts the type of what the client answers,
//     and ends the process when it is another. Use Socket.EmitWithAck.
//   - The rooms, adapters and acknowledgements are the library's: an emit during a
//     join may or may not reach the socket, an acknowledgement without Timeout may
//     wait for ever.
//   - Of the engine's socket (Socket.Conn) the events "data" and "close" are there,
//     not "upgrade", "packet", "drain" and "heartbeat"; of the engine's server
//     "connection", not "headers".
package bridge
