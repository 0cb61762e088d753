package namespaces

import (
	"context"
	"encoding/json"
	"iter"
	"strings"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// Adapter carries out what a namespace does to its sockets, on this node or on all. [Local] is the adapter of one node. An
// adapter for several nodes has a Local for the sockets of its own node, carries every operation to the other nodes, and
// does on each of them what Local does.
//
// An adapter belongs to one namespace. It is made when the namespace is mounted ([Config.Adapter]) and closed when the
// namespace ends.
//
// Order. On one node, operations on a room reach all its members in the same order, and operations of one goroutine reach
// a socket in their order: Send after Broadcast, Broadcast after Send, both before an Apply that comes after them. An
// adapter that delivers a broadcast later than its call, such as when it reads its own operation back, therefore makes
// later operations wait behind it. Its documentation says what more it promises over several nodes.
//
// Waiting. Send, Broadcast and Apply only queue and never wait for the network: handlers call them as if they cost nothing.
// An error means that the operation could not be queued and has had no effect. Sockets that end meanwhile, and nodes that
// cannot be reached, are no errors. BroadcastAck, Sockets, ServerEmit and Nodes wait, at most until their context ends, and
// do not wait for nodes that are known to be gone.
//
// Methods are safe for concurrent use. None is called with a lock of this package held. Selections, operations and
// packets are borrowed for the call; their slices and Args are shared and must not be changed. An adapter checks the
// events that it hands to its Local: [CheckEvent] accepts their names, and their Args are valid.
type Adapter interface {
	// Send queues a packet for one socket of this node: an event, or an acknowledgement.
	Send(s *Socket, p *packet.Packet, flags Flags) error
	// Broadcast queues an event for all selected sockets.
	Broadcast(op *Operation) error
	// BroadcastAck broadcasts an event that asks for acknowledgements, and hands them on as they come. It returns when all
	// have been settled, or with the error of ctx when ctx ends before.
	BroadcastAck(ctx context.Context, op *Operation, to Replies) error
	// Sockets describes the selected sockets. The sequence ends early with an error, which is a *[LostNodes] when all other
	// nodes have answered.
	Sockets(ctx context.Context, sel *Selection) iter.Seq2[Info, error]
	// Apply changes all selected sockets.
	Apply(sel *Selection, c Change) error
	// ServerEmit sends an event to the namespace on all other nodes, see [Namespace.ServerEmit]. When to is nil, no
	// answers are asked for.
	ServerEmit(ctx context.Context, event string, args packet.Args, to Replies) error
	// Nodes returns the number of nodes, this one included.
	Nodes(ctx context.Context) (int, error)
	// Close ends everything that the adapter started, once it has handed all queued operations to the other nodes, or ctx
	// has ended. The namespace has no sockets any more; other methods may still be called and have no effect.
	Close(ctx context.Context) error
}

// Flags change how an operation is carried out.
type Flags uint8

const (
	// Volatile events are dropped for clients that are behind.
	Volatile Flags = 1 << iota
	// LocalOnly operations stay on this node.
	LocalOnly
	// Uncompressed events are not compressed by the transports, whatever is configured.
	Uncompressed
	// Direct marks a broadcast that carries a packet of Send: hooks have been told of it.
	Direct
)

// Selection names sockets: those in one of the rooms (all of the namespace when there are none), without those in one of
// the rooms of Except. A socket's id stands for a room of its own. A socket in several rooms counts once.
type Selection struct {
	Rooms  []string
	Except []string
	Flags  Flags
}

// Operation is a broadcast.
type Operation struct {
	Selection
	Packet packet.Packet
	// By is the socket of this node that caused the operation, or nil: see [Broadcast.By].
	By *Socket
	// Within is the context of [Broadcast.Within], or nil.
	Within context.Context // its values, for who traces
}

// Change says what is done to the selected sockets. It is done in the order of the fields.
type Change struct {
	Leave []string // rooms
	Join  []string // rooms
	// Disconnect ends the sockets by DISCONNECT, CloseTransport their connections too, see [Socket.Disconnect].
	Disconnect     bool
	CloseTransport bool
}

// Info describes a socket of any node.
type Info struct {
	ID       string
	Identity handshake.Identity
	Rooms    []string
	// Handshake and Data describe a socket of a Node server, as JSON; nil for others.
	Handshake, Data json.RawMessage
}

// Replies takes the answers to a question as they come. Its methods are called concurrently and must not block. A call
// that comes when the question has ended has no effect.
type Replies interface {
	// Expect is called once for each node that is asked, before any of its replies, with how many will come.
	Expect(n int)
	// Reply is called once for each that was expected, unless the question ends before.
	Reply(r Reply)
}

// Reply is one answer to a question that was put to sockets or nodes.
type Reply struct {
	Socket string // its id; "" when a node answers, and for sockets of Node's servers, whose replies carry none
	Args   packet.Args
	Err    error // set when there will be no answer: ErrClosed when the socket has ended
}

// Answers are the replies to a broadcast or to a question to the other nodes.
type Answers struct {
	Replies []Reply // in the order of their arrival, those without an error
	Missing int     // how many were asked and have not answered in time, or are gone
}

// LostNodes is the error of a question that some nodes did not answer, because they are gone.
type LostNodes struct{ Names []string }

// Error names the nodes.
func (e *LostNodes) Error() string {
	return "namespaces: no answer from " + strings.Join(e.Names, ", ")
}
