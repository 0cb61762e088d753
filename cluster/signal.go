package cluster

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/packet/msgpack"
)

// signals are the messages that need no place in the order of a stream: signs of life, questions, answers. They go over
// Redis' PUBLISH, in the form of Node's adapter: a map {uid, nsp, type, data} in msgpack.
type signals struct {
	inbox  chan heard
	outbox chan told
	more   chan struct{} // holds a token when channels were added

	mu     sync.Mutex // guards what follows
	wanted map[string]struct{}
}

type heard struct{ channel, payload string }

type told struct {
	channel string
	payload []byte
}

const signalQueue = 8192 // messages that wait in either direction

func (s *signals) init() {
	s.inbox, s.outbox = make(chan heard, signalQueue), make(chan told, signalQueue)
	s.more, s.wanted = make(chan struct{}, 1), make(map[string]struct{})
}

func (s *signals) subscribe(channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range channels {
		s.wanted[c] = struct{}{}
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *signals) unsubscribe(channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range channels {
		delete(s.wanted, c)
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// missing returns which channels are to be subscribed and which no more.
func (s *signals) missing(have map[string]struct{}) (add, drop []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.wanted {
		if _, ok := have[c]; !ok {
			add = append(add, c)
		}
	}
	for c := range have {
		if _, ok := s.wanted[c]; !ok {
			drop = append(drop, c)
		}
	}
	return add, drop
}

// The channels. Those of a namespace are those of Node's adapter, whose servers count their subscribers to know how many
// answers to await; ours have one more, by which they know how many of them are not Node's.
func (n *Node) everyone() string              { return n.cfg.Key + "-gatehouse" }
func (n *Node) public(ns string) string       { return n.cfg.Key + "#" + ns + "#" }
func (n *Node) private(ns, uid string) string { return n.cfg.Key + "#" + ns + "#" + uid + "#" }
func (n *Node) counted(ns string) string      { return n.everyone() + "#" + ns + "#" }
func (n *Node) channels(ns string) []string {
	return []string{n.public(ns), n.private(ns, n.uid), n.counted(ns)}
}

// listen keeps a connection that hears, until the node ends.
func (n *Node) listen() {
	n.signal.subscribe(n.everyone())
	for n.ctx.Err() == nil {
		err := n.listening()
		n.asking.deaf(true)
		if n.ctx.Err() == nil {
			n.away("listening", err)
		}
		pause(n.ctx)
	}
}

func (n *Node) listening() error {
	client, release, err := n.dedicate(n.ctx)
	if err != nil {
		return err
	}
	defer release()
	lost := client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) {
		select {
		case n.signal.inbox <- heard{m.Channel, m.Message}:
		default:
			n.counts.Unheard.Add(1)
		}
	}})
	have, greeted := make(map[string]struct{}), false
	for {
		if err := n.follow(client, have); err != nil {
			return err
		}
		n.asking.deaf(false)
		n.back("listening")
		if !greeted {
			greeted = true
			n.asking.sayHello() // now the answers can be heard
		}
		select {
		case <-n.ctx.Done():
			return n.ctx.Err()
		case err := <-lost:
			return errors.Join(errors.New("the subscription is lost"), err)
		case <-n.signal.more:
		}
	}
}

// follow subscribes what is wanted.
func (n *Node) follow(client rueidis.DedicatedClient, have map[string]struct{}) error {
	ctx, cancel := context.WithTimeout(n.ctx, redisLimit)
	defer cancel()
	add, drop := n.signal.missing(have)
	for part := range slices.Chunk(add, 500) {
		if err := client.Do(ctx, client.B().Subscribe().Channel(part...).Build()).Error(); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		for _, c := range part {
			have[c] = struct{}{}
		}
	}
	for part := range slices.Chunk(drop, 500) {
		if err := client.Do(ctx, client.B().Unsubscribe().Channel(part...).Build()).Error(); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
		maps.DeleteFunc(have, func(c string, _ struct{}) bool { return slices.Contains(part, c) })
	}
	return nil
}

// tell queues a message for a channel. It fails when too many wait.
func (n *Node) tell(channel, namespace string, kind int, data []byte) error {
	select {
	case n.signal.outbox <- told{channel, n.message(channel, namespace, kind, data)}:
		return nil
	default:
		return errBusy
	}
}

var errBusy = errors.New("cluster: too many messages wait for redis")

// message writes a message. Ours says so: what goes to all of ours on their own channel, and to Node's servers on that of
// the namespace, must not be heard twice.
func (n *Node) message(channel, namespace string, kind int, data []byte) []byte {
	fields := 5
	if n.signer.on() {
		fields += 2
	}
	b := msgpack.AppendMap(make([]byte, 0, len(data)+128), fields)
	b = msgpack.AppendString(msgpack.AppendString(b, "uid"), n.uid)
	b = msgpack.AppendString(msgpack.AppendString(b, "nsp"), namespace)
	b = msgpack.AppendUint(msgpack.AppendString(b, "type"), uint64(kind)) //nolint:gosec // small
	b = msgpack.AppendUint(msgpack.AppendString(b, "v"), formVersion)
	b = append(msgpack.AppendString(b, "data"), data...)
	if n.signer.on() {
		at := time.Now().UnixMilli()
		b = msgpack.AppendInt(msgpack.AppendString(b, "at"), at)
		b = msgpack.AppendBinary(msgpack.AppendString(b, "sig"), n.signMessage(channel, n.uid, namespace, kind, data, at))
	}
	return b
}

// formVersion is the version of what nodes tell each other. A node reads those of its own and of older releases.
const formVersion = 1

func (n *Node) signMessage(channel, uid, namespace string, kind int, data []byte, at int64) []byte {
	return n.signer.sign("message "+channel, uid, namespace, strconv.Itoa(kind), string(data), strconv.FormatInt(at, 10))
}

// speak publishes what waits, until the node ends.
func (n *Node) speak() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case first := <-n.signal.outbox:
			n.publish(n.ctx, first)
		}
	}
}

// publish publishes a message and what else waits, in one go. What fails is lost: whoever asked is told by the deadline.
func (n *Node) publish(ctx context.Context, first told) {
	client, err := n.cfg.Client()
	if err != nil {
		pause(ctx)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	commands := rueidis.Commands{}
	for t := first; ; {
		commands = append(commands, client.B().Publish().Channel(t.channel).Message(rueidis.BinaryString(t.payload)).Build())
		if len(commands) == batchSize {
			break
		}
		select {
		case t = <-n.signal.outbox:
			continue
		default:
		}
		break
	}
	for _, r := range client.DoMulti(ctx, commands...) {
		if err := r.Error(); err != nil {
			return
		}
	}
}

// hear acts on what was heard, until the node ends.
func (n *Node) hear() {
	n.run.Go(n.speak)
	n.run.Go(n.beat)
	for {
		select {
		case <-n.ctx.Done():
			return
		case h := <-n.signal.inbox:
			if err := n.heard(h); err != nil {
				n.refused(err)
			}
		}
	}
}

// letter is a message that was heard.
type letter struct {
	uid, namespace string
	kind           int
	version        int // 0 from Node's servers
	data           []byte
	at             int64
}

// heard acts on a message.
func (n *Node) heard(h heard) error {
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
	case h.channel == n.public(m.namespace):
		if m.version > 0 {
			return nil // came on the other channel too
		}
		return a.question(m)
	case h.channel == n.private(m.namespace, n.uid):
		return n.asking.answer(m, n.cfg.Packet)
	}
	return nil
}

// open reads a message and checks its signature.
func (n *Node) open(h heard) (m letter, err error) {
	d, err := dataOfMsgpack([]byte(h.payload))
	if err != nil {
		return m, err
	}
	if m.uid, err = d.text("uid"); err != nil || !validUID(m.uid) {
		return m, errMessage
	}
	if m.namespace, err = d.text("nsp"); err != nil {
		return m, err
	}
	if err = d.value("type", &m.kind); err != nil {
		return m, err
	}
	if d.has("v") {
		if err = d.value("v", &m.version); err != nil {
			return m, err
		}
	}
	m.data = d.fields["data"]
	if !n.signer.on() {
		return m, nil
	}
	if err = d.value("at", &m.at); err != nil {
		return m, errUnsigned
	}
	sig, err := msgpack.NewReader(d.fields["sig"]).Bytes()
	if err != nil || !hmac.Equal(sig, n.signMessage(h.channel, m.uid, m.namespace, m.kind, m.data, m.at)) || n.tooOld(m.at) {
		return m, errUnsigned
	}
	return m, nil
}

// validUID reports whether a name may be a part of a channel's.
func validUID(uid string) bool {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
	return uid != "" && len(uid) <= maxUID && strings.IndexFunc(uid, func(r rune) bool { return !strings.ContainsRune(allowed, r) }) < 0
}
