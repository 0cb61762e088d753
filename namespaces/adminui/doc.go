// Package adminui serves the official admin interface of Socket.IO (the npm package @socket.io/admin-ui, or
// https://admin.socket.io): servers, namespaces, rooms, sockets and events as they are now, and what an operator does to
// them. It is a namespace and the hooks that watch all others.
//
// While nobody watches, a hook costs no more than reading one number. Nodes of a cluster tell each other that somebody
// does. Secrets of handshakes are not shown: no cookie, no Authorization, no auth payload, no session id. The arguments
// of events are shown as they are: an operator who watches can read them.
package adminui
