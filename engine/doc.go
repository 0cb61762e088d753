// Package engine speaks Engine.IO v4: long-polling, WebSocket, the upgrade
// from one to the other, heartbeats and close. It knows nothing of Socket.IO.
//
// A [Server] is an http.Handler. For every handshake it opens a [Session] and
// asks its owner for a [Handler]; the session hands whole messages up in the
// order the client sent them, one at a time, and takes [Frame] values down.
//
// What it promises:
//
//   - Frames reach the client once and in the order of [Session.Send], across
//     the upgrade too, or the session closes with a reason. A frame with
//     attachments is one unit: nothing comes between its parts.
//   - [Handler.Close] is called exactly once, after the last message.
//   - Everything a client can fill is limited by [Config]; a client that is
//     too slow or too large is cut with a [Reason], never waited for.
//   - Frames that wait for clients are limited three ways; a session that meets a limit is
//     closed with [ReasonSlow] and counted in [Stats]: what waits for one client
//     (Config.OutboxBytes), how long it takes nothing of that (OutboxAge), and the
//     memory of all that waits (OutboxTotal), where what is shared counts once
//     and the largest backlogs are cut first.
//   - Turns are bounded. A connection is read one buffer at a time, and written
//     64 KiB at a time, those with little to write before those with a backlog:
//     neither a client that floods nor a large room keeps others waiting for
//     more than a turn of each.
//   - Compression ([Deflate], RFC 7692) never unpacks more than the limit of a
//     message, and is made once per frame for all receivers without a context.
//   - A connection of a polling client is read by the loops too where [Server.Intercept]
//     makes the listener; it owns a goroutine while a request is served or waits.
//   - An idle WebSocket connection owns no goroutine, no buffer and no timer on
//     Linux, with TLS from [Server.ListenTLS] too; elsewhere it owns one
//     goroutine that waits without a buffer where the connection allows it.
//   - [Server.Close] returns when every goroutine of the server is gone.
//
// The end of a session begins with closeWith, once, and is over with destroy. It is
// begun by
//
//	[Session.Close]   the owner: what waits still goes out
//	Session.fail      a fault of the client, or too much that waits: that is dropped
//	Session.shutdown  a drain: what waits still goes out
//
// The way of the bytes: stream (TCP, TLS over it) → internal/rfc6455 (frames) → Session →
// Handler, and Session → send queue → flusher → stream. Long-polling enters at
// Session and leaves at the send queue; net/http carries it, or a kept connection.
//
// Locks, in the order they may be taken: Session.in, Session.mu, then one of the
// locks of Server, flusher, wheel and stream. No callback runs under Session.mu.
//
// Source: https://socket.io/docs/v4/engine-io-protocol/ (protocol revision 4),
// RFC 6455, RFC 7692.
package engine
