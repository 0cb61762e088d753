// Package cluster lets the nodes of one installation share what must hold on
// all of them, over Redis. Today that is revocations (security requirement 20).
//
// A [Bus] promises: a mark that [Bus.Spread] has stored reaches every node that
// is connected within a second, and every other node when it joins or comes
// back, until the mark lapses. A node subscribes first and reads the whole list
// then, so that nothing falls between. Marks that Redis does not have, because
// it was away or has lost them, are stored by the nodes that hold them, as soon
// as it is there. Marks merge: of two on the same thing the later times hold,
// in whatever order they arrive, so that hearing one twice changes nothing.
//
// Who can write to Redis can revoke, but let nobody in: marks only ever end
// sockets and keep them out.
package cluster
