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
//   - An idle WebSocket connection owns no goroutine, no buffer and no timer on
//     Linux; elsewhere, and under TLS, it owns one goroutine that waits without
//     a buffer where the connection allows it.
//   - [Server.Close] returns when every goroutine of the server is gone.
//
// The way of the bytes: stream (TCP, TLS) → frameReader (RFC 6455) → Session →
// Handler, and Session → outbox → flusher → stream. Long-polling enters at
// Session and leaves at outbox.
//
// Locks, in the order they may be taken: Session.in, Session.mu, then one of the
// locks of Server, flusher, wheel and stream. No callback runs under Session.mu.
//
// Source: https://socket.io/docs/v4/engine-io-protocol/ (protocol revision 4),
// RFC 6455.
package engine
