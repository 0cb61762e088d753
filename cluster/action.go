package cluster

import (
	"fmt"
	"strings"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// action is an operation on a namespace: of this node, or of another one that the stream brought.
type action struct {
	namespace string
	kind      int
	uid       string // of the node that began it
	request   string // of a broadcast that asks for acknowledgements
	operation namespaces.Operation
	change    namespaces.Change
	data      string // as in the stream; of own actions

	direct func()                  // what an action without a kind does
	begun  func(wait waitForLocal) // of an own broadcast that asks: takes what waits for this node's sockets
	to     namespaces.Replies      // of such a broadcast
}

// encode writes the data of an own action.
func (a *action) encode() {
	switch a.kind {
	case typeBroadcast:
		packed := len(a.operation.Packet.Args.Attachments()) > 0
		fields := 2
		if a.request != "" {
			fields++
		}
		b := newBuilder(packed, fields)
		b.json(fieldOptions, optionsOf(&a.operation.Selection))
		if a.request != "" {
			b.json(fieldRequest, a.request)
		}
		b.packet(&a.operation.Packet)
		a.data = b.text()
	default:
		b := newBuilder(false, 0)
		b.json(fieldOptions, optionsOf(&a.operation.Selection))
		switch a.kind {
		case typeJoin:
			b.json(fieldRooms, a.change.Join)
		case typeLeave:
			b.json(fieldRooms, a.change.Leave)
		case typeDisconnect:
			b.json(fieldClose, a.change.CloseTransport)
		}
		a.data = b.text()
	}
}

// size is what the action counts in the backlog.
func (a *action) size() int {
	const overhead = 256 // the action itself, its number and its place in the queue
	return overhead + len(a.data) + a.operation.Packet.Args.Size()
}

// requestIn returns the question that an entry asks, without a look at the rest: "" when it asks nothing.
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

// decodeAction reads an entry of another node. What it returns has been checked as if a client had sent it.
func decodeAction(e entry, l packet.Limits) (*action, error) {
	a := &action{namespace: e.namespace, kind: e.kind, uid: e.uid}
	d, err := dataOfText(e.data)
	if err != nil {
		return nil, err
	}
	if a.operation.Selection, err = d.selection(); err != nil {
		return nil, err
	}
	switch e.kind {
	case typeBroadcast:
		if d.has(fieldRequest) {
			if a.request, err = d.text(fieldRequest); err != nil {
				return nil, err
			}
		}
		a.operation.Packet, err = d.packet(e.namespace, l)
	case typeJoin:
		err = d.value(fieldRooms, &a.change.Join)
	case typeLeave:
		err = d.value(fieldRooms, &a.change.Leave)
	case typeDisconnect:
		a.change.Disconnect = true
		if d.has(fieldClose) {
			err = d.value(fieldClose, &a.change.CloseTransport)
		}
	default:
		err = fmt.Errorf("%w: type %d in a stream", errMessage, e.kind)
	}
	return a, err
}
