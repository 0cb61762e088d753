package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"

	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/packet/msgpack"
)

// question answers what another node asks this one's share of the namespace.
func (a *adapter) question(m letter) error {
	d, err := dataOfMsgpack(m.data)
	if err != nil {
		return err
	}
	switch m.kind {
	case typeFetch:
		return a.describe(m, d)
	case typeServerEmit:
		return a.serve(m, d)
	case typeBroadcast:
		act := &action{namespace: a.name, kind: typeBroadcast, uid: m.uid}
		if act.request, err = d.text(fieldRequest); err != nil {
			return err
		}
		if act.operation.Selection, err = d.selection(); err != nil {
			return err
		}
		if act.operation.Packet, err = d.packet(a.name, a.node.cfg.Packet); err != nil {
			return err
		}
		a.answerBroadcast(act)
	}
	return nil
}

// respond sends an answer to who asked.
func (a *adapter) respond(uid string, kind int, data []byte) {
	_ = a.node.tell(a.node.private(a.name, uid), a.name, kind, data) // whoever asked is told by the deadline
}

// nobodyHere answers for a namespace that this node has not.
func (n *Node) nobodyHere(m letter) error {
	d, err := dataOfMsgpack(m.data)
	if err != nil || !d.has(fieldRequest) {
		return err
	}
	id, err := d.text(fieldRequest)
	if err != nil {
		return err
	}
	return n.settledFor(m.namespace, m.uid, id)
}

// settledFor tells that this node has no more to say to a question.
func (n *Node) settledFor(namespace, uid, id string) error {
	b := newBuilder(true, 1)
	b.json(fieldRequest, id)
	return n.tell(n.private(namespace, uid), namespace, typeSettled, b.bytes())
}

// describe answers with the sockets of this node.
func (a *adapter) describe(m letter, d data) error {
	id, err := d.text(fieldRequest)
	if err != nil {
		return err
	}
	sel, err := d.selection()
	if err != nil {
		return err
	}
	sockets := []remote{}
	for info, err := range a.local.Sockets(a.node.ctx, &sel) {
		if err != nil {
			return err
		}
		sockets = append(sockets, describe(info))
	}
	b := newBuilder(true, 2)
	b.json(fieldRequest, id)
	b.json(fieldSockets, sockets)
	a.respond(m.uid, typeFetched, b.bytes())
	return nil
}

// describe is a socket as Node's servers describe theirs; what they have in the handshake, this one does not tell.
func describe(info namespaces.Info) remote {
	return remote{
		ID: info.ID, Rooms: append([]string{info.ID}, info.Rooms...), Identity: &info.Identity,
		Handshake: json.RawMessage(`{"headers":{},"query":{},"auth":{}}`), Data: json.RawMessage(`{}`),
	}
}

// serve has the namespace's handler of a server's event called.
func (a *adapter) serve(m letter, d data) error {
	p, err := d.serverEvent(a.name, a.node.cfg.Packet)
	if err != nil {
		return err
	}
	var id string
	if d.has(fieldRequest) {
		if id, err = d.text(fieldRequest); err != nil {
			return err
		}
	}
	a.node.task(func(ctx context.Context) {
		args, err := a.local.Serve(ctx, p.Event, p.Args)
		if id == "" {
			return
		}
		if err != nil {
			args = failure(err)
		}
		a.reply(m.uid, typeServerAnswer, id, "", args)
	})
	return nil
}

// failure is the answer for an error: what of it is public.
func failure(err error) packet.Args {
	public := &namespaces.Error{Code: namespaces.CodeInternal, Message: "The handler failed."}
	_ = errors.As(err, &public)
	args, err := packet.NewArgs(map[string]any{"ok": false, "error": map[string]any{"code": public.Code, "message": public.Message}})
	if err != nil {
		return packet.Args{}
	}
	return args
}

// reply sends the arguments of an answer.
func (a *adapter) reply(uid string, kind int, id, socket string, args packet.Args) {
	fields := 1
	if socket != "" {
		fields++
	}
	if args.Len() > 0 {
		fields++
	}
	if args.Len() > 1 {
		fields++
	}
	b := newBuilder(true, fields)
	b.json(fieldRequest, id)
	if socket != "" {
		b.json(fieldSocket, socket)
	}
	if args.Len() > 0 {
		// All arguments in one go, because the placeholders in them count through: the first one, and the rest as an array.
		values := args.AppendMsgpack(nil)
		r := msgpack.NewReader(values)
		first, err := r.Raw(maxNested)
		if err != nil {
			return
		}
		b.name(fieldPacket)
		b.out = append(b.out, first...)
		if args.Len() > 1 {
			b.name(fieldRest)
			b.out = append(msgpack.AppendArray(b.out, args.Len()-1), values[r.Offset():]...)
		}
	}
	a.respond(uid, kind, b.bytes())
}

// elements returns the values of an array.
func elements(array []byte) ([][]byte, error) {
	r := msgpack.NewReader(array)
	n, err := r.Array()
	if err != nil || n > maxSelection {
		return nil, errMessage
	}
	values := make([][]byte, n)
	for i := range values {
		if values[i], err = r.Raw(maxNested); err != nil {
			return nil, errMessage
		}
	}
	return values, nil
}

// answerBroadcast asks the sockets of this node for another one.
func (a *adapter) answerBroadcast(act *action) {
	to := &relay{adapter: a, uid: act.uid, id: act.request}
	wait := a.local.Ask(&act.operation, to)
	a.node.task(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, maxQuestion)
		defer cancel()
		_ = wait(ctx)
		if to.fewer.Load() || ctx.Err() != nil {
			_ = a.node.settledFor(a.name, act.uid, act.request)
		}
	})
}

// maxQuestion is how long acknowledgements for another node are awaited: it has stopped waiting by then.
const maxQuestion = defaultQuestion

// relay sends replies on to who asked.
type relay struct {
	adapter *adapter
	uid, id string
	fewer   atomic.Bool // fewer came than were announced: sockets have ended
}

// Expect implements namespaces.Replies.
func (r *relay) Expect(n int) {
	b := newBuilder(true, 2)
	b.json(fieldRequest, r.id)
	b.json(fieldCount, n)
	r.adapter.respond(r.uid, typeCount, b.bytes())
}

// Reply implements namespaces.Replies.
func (r *relay) Reply(reply namespaces.Reply) {
	if reply.Err != nil {
		r.fewer.Store(true)
		return
	}
	r.adapter.reply(r.uid, typeAck, r.id, reply.Socket, reply.Args)
}
