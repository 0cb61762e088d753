// Package namespaces is where sockets live: a CONNECT packet becomes a petition, the petition an admitted socket or a
// refusal, and admitted sockets exchange events, acknowledgements and broadcasts in rooms.
//
// A [Namespace] is a definition: a name, an admission and handlers, written once and mounted by a [Hub]. A connection is a
// [Client]; each namespace that it entered has one [Socket]. The package knows neither the transport, which it sees as the
// small [Conn], nor credentials, which a [Gate] turns into an identity.
//
// It promises:
//
//   - Order. The events of one socket are handled one after another in the order of their arrival; different sockets run in
//     parallel. In a room there is one order, the same for every receiver.
//   - Nothing before admission. Until the CONNECT reply is queued, nothing of the namespace is sent or handled and no
//     broadcast reaches the socket; what admission joined and emitted takes effect in one step with the reply, and a
//     refusal undoes it. The client's events then wait until the connect handlers have returned.
//   - Bounds. What a client can make the server hold has a limit in [Config], and a full queue stops the reading first.
//   - Isolation. A panic in a handler fails its event and nothing else.
//   - No ghosts. A socket that has ended is in no room and no broadcast reaches it.
//
// # Goroutines
//
// An idle socket has none. One is started when a socket petitions or when its queue becomes non-empty, runs the handlers,
// and ends when there is nothing left; [Hub.Close] waits for all of them.
//
// # Lock order
//
//	room.mu (several: by room.seq)  →  Client.mu  →  Socket.mu  →  locks of the Conn
//
// The locks of the room index, of the directory of sockets and of the hub's lists are leaves: nothing else is taken under
// them. Queueing a frame on a Conn never blocks and never calls back, so it happens under room.mu: this is what gives a room
// its one order. Handlers, middleware, gates and observers run under no lock.
package namespaces
