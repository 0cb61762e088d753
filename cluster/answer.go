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

// asker is the node that has asked a question, and the form of its answers.
type asker struct {
	uid, id string
	classic bool // of Node's redis-adapter
}

// askerOf reads the asking node; the id is empty when no answer is awaited.
func askerOf(m letter) (asker, error) {
	to := asker{uid: m.uid}
	var err error
	if m.body.has(fieldRequest) {
		to.id, err = m.body.text(fieldRequest)
	}
	return to, err
}

// question answers another node's question about this node's share of the namespace.
func (a *adapter) question(m letter) error {
	to, err := askerOf(m)
	if err != nil {
		return err
	}
	return a.questionOf(m, to)
}

func (a *adapter) questionOf(m letter, to asker) error {
	switch m.kind {
	case typeFetch:
		sel, err := m.body.selection()
		if err != nil {
			return err
		}
		return a.describe(&sel, to)
	case typeServerEmit:
		p, err := m.body.serverEvent(a.name, a.node.cfg.Packet)
		if err != nil {
			return err
		}
		a.serve(p, to)
	case typeBroadcast:
		act, err := actionOf(m, a.node.cfg.Packet)
		if err != nil {
			return err
		}
		a.answerBroadcast(act, to)
	}
	return nil
}

// respond sends an answer to the asking node.
func (a *adapter) respond(uid string, kind int, data []byte) {
	_ = a.node.tell(a.node.private(a.name, uid), a.name, kind, data) // the asking node is told by its deadline
}

// nobodyHere answers a question about a namespace that this node does not have.
func (n *Node) nobodyHere(m letter) error {
	to, err := askerOf(m)
	if err != nil || to.id == "" {
		return err
	}
	return n.settledFor(m.namespace, to.uid, to.id)
}

// settledFor tells the asker that this node sends no more answers to a question.
func (n *Node) settledFor(namespace, uid, id string) error {
	b := newBuilder(true, 1)
	b.json(fieldRequest, id)
	return n.tell(n.private(namespace, uid), namespace, typeSettled, b.bytes())
}

// describe answers with the sockets of this node.
func (a *adapter) describe(sel *namespaces.Selection, to asker) error {
	sockets := []remote{}
	for info, err := range a.local.Sockets(a.node.ctx, sel) {
		if err != nil {
			return err
		}
		sockets = append(sockets, describe(info))
	}
	if to.classic {
		a.respondClassic(map[string]any{fieldRequest: to.id, fieldSockets: sockets})
		return nil
	}
	b := newBuilder(true, 2)
	b.json(fieldRequest, to.id)
	b.json(fieldSockets, sockets)
	a.respond(to.uid, typeFetched, b.bytes())
	return nil
}

// describe describes a socket as Node's servers do, but without their details of the handshake.
func describe(info namespaces.Info) remote {
	return remote{
		ID: info.ID, Rooms: append([]string{info.ID}, info.Rooms...), Identity: &info.Identity,
		Handshake: json.RawMessage(`{"headers":{},"query":{},"auth":{}}`), Data: json.RawMessage(`{}`),
	}
}

// serve calls the namespace's handler of a server's event.
func (a *adapter) serve(p packet.Packet, to asker) {
	a.node.task(func(ctx context.Context) {
		args, err := a.local.Serve(ctx, p.Event, p.Args)
		if to.id == "" {
			return
		}
		if err != nil {
			args = failure(err)
		}
		a.reply(to, typeServerAnswer, "", args)
	})
}

// failure returns the answer for an error: its public part.
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
func (a *adapter) reply(to asker, kind int, socket string, args packet.Args) {
	if to.classic {
		a.replyClassic(to, kind, args)
		return
	}
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
	b.json(fieldRequest, to.id)
	if socket != "" {
		b.json(fieldSocket, socket)
	}
	if args.Len() > 0 {
		// All arguments are encoded in one go, because their placeholders count through: the first argument, and the rest
		// as an array.
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
	a.respond(to.uid, kind, b.bytes())
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

// answerBroadcast asks the sockets of this node on behalf of another node.
func (a *adapter) answerBroadcast(act *action, to asker) {
	r := &relay{adapter: a, to: to}
	wait := a.local.Ask(&act.operation, r)
	a.node.task(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, maxQuestion)
		defer cancel()
		_ = wait(ctx)
		if !to.classic && (r.fewer.Load() || ctx.Err() != nil) {
			_ = a.node.settledFor(a.name, to.uid, to.id)
		}
	})
}

// maxQuestion is how long acknowledgements for another node are awaited: it has stopped waiting by then.
const maxQuestion = defaultQuestion

// relay sends replies on to the asking node.
type relay struct {
	adapter *adapter
	to      asker
	fewer   atomic.Bool // fewer acknowledgements came than were announced: sockets have ended
}

// Expect implements namespaces.Replies.
func (r *relay) Expect(n int) {
	if r.to.classic {
		r.adapter.respondClassic(map[string]any{"type": classicCount, fieldRequest: r.to.id, fieldCount: n})
		return
	}
	b := newBuilder(true, 2)
	b.json(fieldRequest, r.to.id)
	b.json(fieldCount, n)
	r.adapter.respond(r.to.uid, typeCount, b.bytes())
}

// Reply implements namespaces.Replies.
func (r *relay) Reply(reply namespaces.Reply) {
	if reply.Err != nil {
		r.fewer.Store(true)
		return
	}
	r.adapter.reply(r.to, typeAck, reply.Socket, reply.Args)
}
