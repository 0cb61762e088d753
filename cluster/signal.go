package cluster

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/spans"
	"gatehouse/packet/msgpack"
)

// signals are the messages that need no place in the order of a stream: heartbeats, questions, answers, and in the modes
// "pubsub" and "sharded" the operations. They go over Redis' PUBLISH or SPUBLISH, in the form of Node's cluster adapter: a
// map {uid, nsp, type, data} in msgpack; the messages of Node's redis-adapter are in classic.go.
type signals struct {
	inbox        chan heard
	outbox       chan told
	waiting      atomic.Int64 // told and not published
	waitingBytes atomic.Int64 // of them
	heardBytes   atomic.Int64 // heard and not acted on
	wishes
}

type heard struct{ pattern, channel, payload string }

func (h heard) size() int64 { return int64(len(h.channel) + len(h.payload)) }

type told struct {
	channel   string
	payload   []byte
	operation bool
	span      trace.Span // nil when nobody traces it
}

// end ends the span of a message; the code says why it is not published.
func (t told) end(code string) {
	if t.span != nil {
		spans.End(t.span, code)
	}
}

func (t told) size() int64 { return int64(len(t.channel) + len(t.payload)) }

// signalQueue is how many messages may wait in either direction. Their bytes are bounded by Settings.BacklogBytes.
const signalQueue = 8192

func (s *signals) init() {
	s.inbox, s.outbox = make(chan heard, signalQueue), make(chan told, signalQueue)
	s.wishes.init()
}

// tell queues a message for a channel. It fails when too many wait.
func (n *Node) tell(channel, namespace string, kind int, data []byte) error {
	return n.say(told{channel: channel, payload: n.message(channel, namespace, kind, data)})
}

func (n *Node) say(t told) error {
	s := &n.signal
	s.waiting.Add(1)
	if s.waitingBytes.Add(t.size())-t.size() < int64(n.cfg.BacklogBytes) {
		select {
		case s.outbox <- t:
			return nil
		default:
		}
	}
	s.settle(t)
	return errBusy
}

// settle notes that messages have left the queue.
func (s *signals) settle(all ...told) {
	for _, t := range all {
		s.waitingBytes.Add(-t.size())
	}
	s.waiting.Add(-int64(len(all)))
}

// hold queues a message that was received; it reports false when too many wait.
func (s *signals) hold(h heard, limit int) bool {
	if s.heardBytes.Add(h.size())-h.size() < int64(limit) {
		select {
		case s.inbox <- h:
			return true
		default:
		}
	}
	s.heardBytes.Add(-h.size())
	return false
}

var errBusy = errors.New("cluster: too many messages wait for redis")

// message writes a message, marked as Gatehouse's. A message goes to Gatehouse's nodes on their own channel and to
// Node's servers on the namespace's channel, and a node must not handle both.
func (n *Node) message(channel, namespace string, kind int, data []byte) []byte {
	fields := 5
	if n.signer.on() {
		fields += 2
	}
	b := msgpack.AppendMap(make([]byte, 0, len(data)+128), fields)
	b = msgpack.AppendString(msgpack.AppendString(b, "uid"), n.uid)
	b = msgpack.AppendString(msgpack.AppendString(b, "nsp"), namespace)
	b = msgpack.AppendUint(msgpack.AppendString(b, "type"), uint64(kind)) // small
	b = msgpack.AppendUint(msgpack.AppendString(b, "v"), formVersion)
	b = append(msgpack.AppendString(b, "data"), data...)
	if n.signer.on() {
		at := n.cfg.Now().UnixMilli()
		b = msgpack.AppendInt(msgpack.AppendString(b, "at"), at)
		b = msgpack.AppendBinary(msgpack.AppendString(b, "sig"), n.signMessage(channel, n.uid, namespace, kind, formVersion, data, at))
	}
	return b
}

// formVersion is the version of the messages between nodes. A node reads messages of its own and of older releases, and
// ignores fields that it does not know. Messages of a later version are dropped and counted, because this release
// cannot know their meaning. So a release with a new form writes it only when all nodes have said, by their version,
// that they know it.
const formVersion = 1

func (n *Node) signMessage(channel, uid, namespace string, kind, version int, data []byte, at int64) []byte {
	return n.signer.sign("message "+channel, uid, namespace, strconv.Itoa(kind), strconv.Itoa(version), string(data), strconv.FormatInt(at, 10))
}

// speak publishes the queue, until the node ends.
func (n *Node) speak() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case first := <-n.signal.outbox:
			n.signal.settle(n.publish(n.ctx, first)...)
		}
	}
}

// flush waits until every queued message has been published or has failed, or until ctx ends.
func (s *signals) flush(ctx context.Context) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for s.waiting.Load() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("messages have not reached the other nodes: %w", ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

// publish publishes a message and the others that wait, in one go, and returns them. Messages that fail are lost: operations
// are counted, and questions end by their deadline.
func (n *Node) publish(ctx context.Context, first told) (batch []told) {
	batch = append(batch, first)
	for len(batch) < batchSize && len(n.signal.outbox) > 0 {
		batch = append(batch, <-n.signal.outbox) // only speak takes
	}
	client, err := n.cfg.Client()
	if err != nil {
		for _, t := range batch {
			n.unsaid(t)
		}
		pause(ctx)
		return batch
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	commands := make(rueidis.Commands, len(batch))
	for i, t := range batch {
		commands[i] = n.publication(client, t)
	}
	for i, r := range client.DoMulti(ctx, commands...) {
		if n.cfg.Note(client, r.Error()) != nil {
			n.unsaid(batch[i])
		} else if batch[i].operation {
			n.counts.Written.Add(1)
			batch[i].end("")
		}
	}
	return batch
}

// publication returns the command that publishes a message. In a Redis Cluster one server gets all messages on plain
// channels, so that they keep their order.
func (n *Node) publication(client rueidis.Client, t told) rueidis.Completed {
	message := rueidis.BinaryString(t.payload)
	if n.cfg.Mode == ModeSharded {
		return client.B().Spublish().Channel(t.channel).Message(message).Build()
	}
	return client.B().Publish().Channel(t.channel).Message(message).Build().SetSlot(n.cfg.Key)
}

// unsaid counts messages that, as far as is known, will not reach the other nodes.
func (n *Node) unsaid(t told) {
	t.end(unpublished)
	if t.operation {
		n.counts.Dropped.Add(1)
	}
}

// hear handles messages, until the node ends.
func (n *Node) hear() {
	n.run.Go(n.speak)
	for {
		select {
		case <-n.ctx.Done():
			return
		case h := <-n.signal.inbox:
			n.signal.heardBytes.Add(-h.size())
			if err := n.heard(h); err != nil {
				n.refused(err)
			}
		}
	}
}

// letter is a message that was received.
type letter struct {
	uid, namespace string
	kind           int
	version        int // 0 from Node's servers
	body           data
	classic        bool // of Node's redis-adapter
}

// heard acts on a message.
func (n *Node) heard(h heard) error {
	if n.cfg.Mode == ModePubSub && h.channel != n.everyone() && !strings.HasPrefix(h.channel, n.everyone()+"#") {
		return n.heardClassic(h)
	}
	m, err := n.open(h)
	if err != nil || m.uid == n.uid {
		return err
	}
	if h.channel == n.everyone() {
		return n.fromNode(m)
	}
	a := n.adapter(m.namespace)
	switch {
	case a == nil:
		return nil
	case h.channel == n.private(m.namespace, n.uid):
		return n.asking.answer(m, n.cfg.Packet)
	case h.channel == n.public(m.namespace):
		return a.heard(m)
	case n.cfg.Mode == ModeSharded && m.kind == typeBroadcast && strings.HasPrefix(h.channel, n.public(m.namespace)):
		return a.operate(m) // on the channel of a room
	}
	return nil
}

// heard handles a message to all nodes that have this namespace.
func (a *adapter) heard(m letter) error {
	switch {
	case m.kind == typeFetch || m.kind == typeServerEmit:
		if m.version > 0 {
			return nil // came on the nodes' own channel too
		}
		return a.question(m)
	case a.node.cfg.Mode != ModeStreams:
		return a.operate(m)
	case m.kind == typeBroadcast:
		return a.question(m) // it asks for acknowledgements; all other broadcasts come in the stream
	}
	return nil
}

// open reads a message in the form of Node's cluster adapter and checks its signature.
func (n *Node) open(h heard) (m letter, err error) {
	envelope, err := dataOf(h.payload)
	if err != nil {
		return m, err
	}
	if m.uid, err = envelope.text("uid"); err != nil || !validUID(m.uid) {
		return m, errMessage
	}
	if m.uid == n.uid {
		return m, nil
	}
	if m.namespace, err = envelope.text("nsp"); err != nil {
		return m, err
	}
	if err = envelope.value("type", &m.kind); err != nil {
		return m, err
	}
	if m.version, err = envelope.version(); err != nil {
		return m, err
	}
	if err = n.verify(h.channel, m, envelope); err != nil {
		return m, err
	}
	m.body, err = envelope.object("data")
	return m, err
}

// version reads the version of a message's form. A message of a later release is refused, because its meaning is not
// known.
func (d data) version() (v int, err error) {
	if d.has("v") {
		err = d.value("v", &v)
	}
	if err == nil && (v < 0 || v > formVersion) {
		err = errVersion
	}
	return v, err
}

var errVersion = fmt.Errorf("%w: of a later release", errMessage)

// verify checks the signature of a message.
func (n *Node) verify(channel string, m letter, envelope data) error {
	if !n.signer.on() {
		return nil
	}
	var at int64
	if err := envelope.value("at", &at); err != nil {
		return errUnsigned
	}
	sig, err := msgpack.NewReader(envelope.fields["sig"]).Bytes()
	if err != nil || !hmac.Equal(sig, n.signMessage(channel, m.uid, m.namespace, m.kind, m.version, envelope.fields["data"], at)) || n.tooOld(at) {
		return errUnsigned
	}
	return nil
}

// validUID reports whether a name may be part of a channel's name.
func validUID(uid string) bool {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
	return uid != "" && len(uid) <= maxUID && strings.IndexFunc(uid, func(r rune) bool { return !strings.ContainsRune(allowed, r) }) < 0
}
