// Package rfc6455 reads and writes the bytes of a server's WebSockets (RFC 6455) and of
// their compression (RFC 7692). It knows no connection and no session: a [Reader] is fed
// whatever arrived, [ParseRequest] reads the head of an upgrade request, and that of a
// plain request of long-polling, a [Compressor] makes frames.
//
// Nothing here starts a goroutine. A [Reader], an [Inflater], a [History] and a
// [Compressor] are used by one goroutine at a time; [InflaterPools] are shared.
package rfc6455

// ReadBytes is how much is read from a connection at a time, in bytes. The kept part
// of a frame, and the first buffer for unpacking a message, are no larger.
const ReadBytes = 16 << 10
