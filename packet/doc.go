// Package packet is the Socket.IO v5 codec: it turns the messages of an Engine.IO session into packets and packets into
// frames (https://github.com/socketio/socket.io-protocol, revision 5).
//
// It does no I/O, starts no goroutines and keeps no state besides the one packet of a session whose attachments have not
// all arrived. Arguments stay raw JSON until a handler asks for them: decoding a packet checks the JSON once, in a single
// pass, and copies it once.
//
// Input of clients is not trusted. A message that is not a packet of the protocol is refused with an [*Error] that says what
// was wrong and where, and holds nothing of the message. Every size that a client chooses has a limit in [Limits]; the work
// is linear in the size of the message. Hostile nesting costs no stack: that of JSON needs none, and that of msgpack is
// refused before it is followed.
//
// The parser of the JavaScript client and server (npm socket.io-parser) is the oracle of the tests. Where this package is
// stricter, the cases of TestDecodesAsNode say so, with the reason.
package packet
