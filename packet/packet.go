package packet

import "strconv"

// Type is the kind of a packet; its value is the digit that stands for it on the wire.
type Type byte

// The seven packet types of the protocol.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent
	BinaryAck
)

// String returns the name of the type as the protocol's specification writes it.
func (t Type) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	case BinaryEvent:
		return "BINARY_EVENT"
	case BinaryAck:
		return "BINARY_ACK"
	default:
		return "Type(" + strconv.Itoa(int(t)) + ")"
	}
}

// MaxID is the largest acknowledgement id: the largest integer that JavaScript counts exactly, 2^53-1.
const MaxID = 1<<53 - 1

// Packet is one Socket.IO packet.
type Packet struct {
	// Type is the packet's type. The decoder reports BINARY_EVENT as Event and BINARY_ACK as Ack, as Node's does:
	// Args.Attachments tells them apart. [Encode] chooses the binary form by itself.
	Type Type
	// Namespace the packet belongs to; "/" when the wire names none.
	Namespace string
	// ID is the acknowledgement id, at most [MaxID]; it counts when HasID is set. Only events and acknowledgements
	// have one, and acknowledgements always do.
	ID    uint64
	HasID bool
	// Event is the name of the event, the first element on the wire; Args holds the others.
	Event string
	// Args are the arguments of an event or an acknowledgement.
	Args Args
	// Offset is appended to the arguments of an event, as one more string. With the last one a client asks for the recovery
	// of its connection state; "" leaves it out. Its bytes need no escape in JSON. The decoder never sets it.
	Offset string
	// Uncompressed asks the transport not to compress the packet. [Encode] hands it on to the frame.
	Uncompressed bool
	// Sent is called when the frame has been written for its client, or with false when it will not be; and again when the
	// frame is sent once more to a client that was away. It must not block. It is for packets that are encoded for one client;
	// may be nil. [Encode] hands it on to the frame.
	Sent func(written bool)
	// Payload is the raw JSON that comes with CONNECT (an object) or CONNECT_ERROR (an object or a string); nil when
	// there is none.
	Payload []byte
}

// binary reports whether t announces attachments.
func (t Type) binary() bool { return t == BinaryEvent || t == BinaryAck }

// plain returns the type without the announcement of attachments.
func (t Type) plain() Type {
	switch t {
	case BinaryEvent:
		return Event
	case BinaryAck:
		return Ack
	default:
		return t
	}
}
