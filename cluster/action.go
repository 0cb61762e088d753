package cluster

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// action is an operation on a namespace: of this node, or of another one that the stream brought.
type action struct {
	namespace string
	kind      int
	uid       string // of the node that began it
	request   string // set on a broadcast that asks for acknowledgements
	operation namespaces.Operation
	change    namespaces.Change
	data      string // as in the stream; set on own actions
	classic   bool   // the question and its answers have the form of Node's redis-adapter

	read   string     // how far its node had read the stream when it was sent; set on local broadcasts
	parent string     // the traceparent that goes with it; "" when it is not traced
	span   trace.Span // the span of an own action that is on its way; nil when it is not traced

	raw     *entry   // the message that an action without a kind was read from
	session *holding // of an action without a kind: is stored

	direct func()                  // the work of an action without a kind
	begun  func(wait waitForLocal) // of an own broadcast with acknowledgements: takes the function that waits for this node's sockets
	to     namespaces.Replies      // of such a broadcast
}

// encode writes the data of an own action for a stream.
func (a *action) encode() { a.data = a.body(len(a.operation.Packet.Args.Attachments()) > 0, 0).text() }

// body writes the data of an own action. A number that is zero is left out.
func (a *action) body(packed bool, number uint64) *builder {
	fields := 2
	if a.kind == typeTaken {
		fields--
	}
	if number > 0 {
		fields++
	}
	if a.request != "" {
		fields++
	}
	if a.parent != "" {
		fields++
	}
	if a.read != "" {
		fields++
	}
	b := newBuilder(packed, fields)
	b.json(fieldOptions, optionsOf(&a.operation.Selection))
	if number > 0 {
		b.json(fieldNumber, number)
	}
	if a.parent != "" {
		b.json(fieldParent, a.parent)
	}
	if a.read != "" {
		b.json(fieldRead, a.read)
	}
	switch a.kind {
	case typeBroadcast, typeLocal:
		if a.request != "" {
			b.json(fieldRequest, a.request)
		}
		b.packet(&a.operation.Packet)
	case typeJoin:
		b.json(fieldRooms, a.change.Join)
	case typeLeave:
		b.json(fieldRooms, a.change.Leave)
	case typeDisconnect:
		b.json(fieldClose, a.change.CloseTransport)
	}
	return b
}

// size is how many bytes the action counts for in the backlog.
func (a *action) size() int {
	const overhead = 256 // for the action itself, its number and its place in the queue
	return overhead + len(a.data) + a.operation.Packet.Args.Size()
}

// requestIn returns the id of an entry's question, without decoding the rest; "" when it has none.
func requestIn(e entry) string {
	if e.kind != typeBroadcast || e.data == "" || e.data[0] == '{' && !strings.Contains(e.data, fieldRequest) {
		return ""
	}
	d, err := dataOfText(e.data)
	if err != nil || !d.has(fieldRequest) {
		return ""
	}
	id, err := d.text(fieldRequest)
	if err != nil {
		return ""
	}
	return id
}

// decodeAction reads an entry of another node. The returned action has been checked as if a client had sent
// it.
func decodeAction(e entry, l packet.Limits) (*action, error) {
	d, err := dataOfText(e.data)
	if err != nil {
		return nil, err
	}
	return actionOf(letter{uid: e.uid, namespace: e.namespace, kind: e.kind, body: d}, l)
}

// actionOf reads an operation of another node.
func actionOf(m letter, l packet.Limits) (*action, error) {
	a, d := &action{namespace: m.namespace, kind: m.kind, uid: m.uid}, m.body
	var err error
	if a.operation.Selection, err = d.selection(); err != nil {
		return nil, err
	}
	switch m.kind {
	case typeTaken:
	case typeBroadcast, typeLocal:
		if d.has(fieldRequest) {
			if a.request, err = d.text(fieldRequest); err != nil {
				return nil, err
			}
		}
		if d.has(fieldParent) && d.value(fieldParent, &a.parent) != nil {
			a.parent = "" // errors of tracing do not affect the operation
		}
		if d.has(fieldRead) {
			if a.read, err = d.text(fieldRead); err != nil {
				return nil, err
			}
		}
		a.operation.Packet, err = d.packet(m.namespace, l)
	case typeJoin:
		a.change.Join, err = d.rooms()
	case typeLeave:
		a.change.Leave, err = d.rooms()
	case typeDisconnect:
		a.change.Disconnect = true
		if d.has(fieldClose) {
			err = d.value(fieldClose, &a.change.CloseTransport)
		}
	default:
		err = fmt.Errorf("%w: type %d is no operation", errMessage, m.kind)
	}
	return a, err
}
