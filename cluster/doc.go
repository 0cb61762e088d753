// Package cluster lets the nodes of one installation be one server, over Redis.
// A [Node] carries operations on the sockets of a namespace to all nodes: in
// one order, through streams, or published, at most once. Node's servers with
// their streams, classic or sharded adapter may be part of it. The decisions of
// a node about its streams are a state machine in internal/core, which a
// simulation tests; this package is the shell around it.
//
// Revocations (security requirement 20) do not go through streams.
//
// A [Bus] promises: a revocation that [Bus.Spread] has stored reaches every node that
// is connected within a second, and every other node when it joins or comes
// back, until the revocation lapses. A node subscribes first and reads the whole list
// then, so that nothing falls between. Revocations that Redis does not have, because
// it was away or has lost them, are stored by the nodes that hold them, as soon
// as it is there. Revocations merge: of two on the same thing the later times hold,
// in whatever order they arrive, so that hearing one twice changes nothing.
//
// A program that can write to Redis can revoke, but cannot let anybody in: revocations only
// ever end sockets and keep them out.
package cluster
