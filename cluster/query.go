package cluster

import (
	"context"
	"errors"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// query is a question to the other nodes, which is not an operation.
type query struct {
	kind      int
	id        string // empty when nobody waits for answers
	selection *namespaces.Selection
	event     string
	args      packet.Args
}

// body writes a question in the form of Node's cluster adapter.
func (q query) body() []byte {
	fields := 1
	if q.id != "" {
		fields++
	}
	b := newBuilder(true, fields)
	if q.id != "" {
		b.json(fieldRequest, q.id)
	}
	if q.kind == typeFetch {
		b.json(fieldOptions, optionsOf(q.selection))
	} else {
		b.event(fieldPacket, q.event, q.args)
	}
	return b.bytes()
}

// ask sends a question to all nodes, and to Node's servers if there are any.
func (a *adapter) ask(strangers int, q query) error {
	if q.selection != nil && tooLong(q.selection) {
		return namespaces.ErrTooManyNames
	}
	n := a.node
	body := q.body()
	err := n.tell(n.everyone(), a.name, q.kind, body)
	switch {
	case strangers == 0 || n.signer.on(): // no server, or none that can take part
	case n.cfg.Mode == ModePubSub:
		err = errors.Join(err, n.say(told{channel: n.asks(a.name), payload: n.classicQuestion(q)}))
	default:
		err = errors.Join(err, n.tell(n.asks(a.name), a.name, q.kind, body))
	}
	return err
}

// strangers returns how many of Node's servers have this namespace: subscribers of its channel that are not
// Gatehouse's.
func (a *adapter) strangers(ctx context.Context) int {
	n := a.node
	if n.signer.on() {
		return 0 // they cannot take part
	}
	client, err := n.cfg.Client()
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	all, ours := n.asks(a.name), n.counted(a.name)
	var there int64
	for _, server := range client.Nodes() { // each server knows its own subscribers only
		count := server.B().Arbitrary("PUBSUB", n.cfg.Mode.counting()).Args(all, ours).Build() // the slots may differ
		if got, err := server.Do(ctx, count).AsIntMap(); err == nil {
			there += got[all] - got[ours]
		}
	}
	return int(max(0, there))
}

// counting is the command that counts subscribers.
func (m Mode) counting() string {
	if m == ModeSharded {
		return "SHARDNUMSUB"
	}
	return "NUMSUB"
}
