// Package namespaces is where sockets live: a CONNECT packet becomes an admission, the admission an admitted socket or a
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
// # Life of a session
//
// An identity belongs to one namespace, and so does its expiry. The client is told before ("auth:expiring") and may bring a
// new credential ("auth:refresh"), which a [Refresher] checks and which is answered ahead of the event queue; the identity
// itself changes between two events, and [Namespace.OnRefresh] then leaves what is no longer permitted. The way of an end
// decides whether the client comes back by itself:
//
//	identity expired     DISCONNECT when another namespace of the connection lives on, else the transport closes
//	Hub.Revoke           "auth:revoked" and DISCONNECT: it stays away
//	Config.MaxPerUser    DISCONNECT of the oldest connection: it stays away, or two of them would push each other out forever
//
// All this costs nothing for a socket whose identity does not expire, and in a hub without a limit per user.
//
// # Goroutines
//
// An idle socket has none, and no timer. One is started when an admission begins or when its queue becomes non-empty, runs the
// handlers, and ends when there is nothing left or it is another socket's turn ([Config.UserHandlers]); a refresh has one of its own while the gate is asked. A hub has one for
// connections without a namespace and one for identities that expire. [Hub.Close] waits for all of them.
//
// # Lock order
//
//	room.mu (several: by room.seq)  →  Client.mu  →  Socket.mu  →  locks of the Conn
//
// The locks of the room index, of the directory of sockets and of the hub's lists, expiry queue, turns and users are leaves: nothing else is taken under
// them. Queueing a frame on a Conn never blocks and never calls back, so it happens under room.mu: this is what gives a room
// its one order. Handlers, middleware, gates and hooks run under no lock.
package namespaces
