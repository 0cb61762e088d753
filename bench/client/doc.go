// Package client is the load tool's own Socket.IO client: Engine.IO v4 over
// WebSocket, text packets, one namespace per connection. It shares no code with
// the server that it measures.
//
// It shares the machine with that server, so it is built to cost little: one
// goroutine runs all connections of a [Loop] on epoll, with one read buffer for
// all of them. Nothing in this package is safe for concurrent use, and it needs
// Linux.
package client
