package cluster

import (
	"encoding/json"
	"strings"

	"gatehouse/packet"
	"gatehouse/packet/msgpack"
)

// The types of requests and responses of Node's redis-adapter. Broadcasts have none: they are an array of a uid, a packet and
// its options in msgpack.
const (
	classicSockets    = 0
	classicRooms      = 1
	classicJoin       = 2
	classicLeave      = 3
	classicDisconnect = 4
	classicFetch      = 5
	classicServerEmit = 6
	classicBroadcast  = 7
	classicCount      = 8
	classicAck        = 9
)

// classicKinds are the types of requests as Node's cluster adapter has them.
var classicKinds = map[int]int{
	classicJoin: typeJoin, classicLeave: typeLeave, classicDisconnect: typeDisconnect, classicFetch: typeFetch,
	classicServerEmit: typeServerEmit, classicBroadcast: typeBroadcast,
}

// fieldData is the field with the event of a request or the answer of a response.
const fieldData = "data"

// classicOperation writes an action as Node's redis-adapter does, with two fields that the adapter ignores: the version and the
// number.
func (n *Node) classicOperation(act *action, number uint64) (channel string, payload []byte) {
	if act.kind == typeBroadcast && act.request == "" {
		channel = n.public(act.namespace)
		if len(act.operation.Rooms) == 1 {
			channel = n.channelOfRoom(room{act.namespace, act.operation.Rooms[0]})
		}
		return channel, n.classicBroadcast(act, number)
	}
	channel = n.asks(act.namespace)
	o := optionsOf(&act.operation.Selection)
	request := map[string]any{"uid": n.uid, "v": formVersion, fieldNumber: number, fieldOptions: o}
	switch act.kind {
	case typeJoin:
		request["type"], request[fieldRooms] = classicJoin, act.change.Join
	case typeLeave:
		request["type"], request[fieldRooms] = classicLeave, act.change.Leave
	case typeDisconnect:
		request["type"], request[fieldClose] = classicDisconnect, act.change.CloseTransport
	case typeBroadcast:
		b := newBuilder(true, 7)
		b.json("uid", n.uid)
		b.json("type", classicBroadcast)
		b.json("v", formVersion)
		b.json(fieldNumber, number)
		b.json(fieldRequest, act.request)
		b.json(fieldOptions, o)
		b.name(fieldPacket)
		b.out = appendClassicPacket(b.out, act)
		return channel, b.bytes()
	}
	return channel, jsonOf(request)
}

// classicBroadcast writes a broadcast: the parts that Node's adapter reads, and an object for Gatehouse's nodes.
func (n *Node) classicBroadcast(act *action, number uint64) []byte {
	out := msgpack.AppendString(msgpack.AppendArray(nil, 4), n.uid)
	out = appendClassicPacket(out, act)
	out = appendJSON(out, optionsOf(&act.operation.Selection))
	return appendJSON(out, map[string]any{"v": formVersion, fieldNumber: number})
}

func appendClassicPacket(out []byte, act *action) []byte {
	p := &act.operation.Packet
	out = msgpack.AppendMap(out, 3)
	out = msgpack.AppendUint(msgpack.AppendString(out, "type"), uint64(packet.Event))
	out = msgpack.AppendString(msgpack.AppendString(out, "nsp"), act.namespace)
	out = msgpack.AppendString(msgpack.AppendArray(msgpack.AppendString(out, "data"), p.Args.Len()+1), p.Event)
	return p.Args.AppendMsgpack(out)
}

// classicQuestion writes a question as Node's redis-adapter does: in JSON, or in msgpack when there is binary data.
func (n *Node) classicQuestion(q query) []byte {
	kind, fields := classicServerEmit, 4
	if q.kind == typeFetch {
		kind = classicFetch
	}
	if q.id != "" {
		fields++
	}
	b := newBuilder(len(q.args.Attachments()) > 0, fields)
	b.json("uid", n.uid)
	b.json("type", kind)
	b.json("v", formVersion)
	if q.id != "" {
		b.json(fieldRequest, q.id)
	}
	if q.kind == typeFetch {
		b.json(fieldOptions, optionsOf(q.selection))
	} else {
		b.event(fieldData, q.event, q.args)
	}
	return b.bytes()
}

// respondClassic sends an answer to the asker, on the channel that all of Node's servers listen to, as they do by default.
func (a *adapter) respondClassic(response map[string]any) { a.sayClassic(jsonOf(response)) }

func (a *adapter) sayClassic(response []byte) {
	_ = a.node.say(told{channel: a.node.cfg.Key + "-response#" + a.name + "#", payload: response}) // who asked has a deadline
}

// replyClassic sends the first argument of an answer: Node's adapter takes no others.
func (a *adapter) replyClassic(to asker, kind int, args packet.Args) {
	typ, field := classicServerEmit, fieldData
	if kind == typeAck {
		typ, field = classicAck, fieldPacket
	}
	fields := 2 + min(args.Len(), 1)
	b := newBuilder(kind == typeAck || len(args.Attachments()) > 0, fields)
	b.json("type", typ)
	b.json(fieldRequest, to.id)
	if args.Len() > 0 {
		b.first(field, args)
	}
	a.sayClassic(b.bytes())
}

// first adds the first of some arguments.
func (b *builder) first(name string, args packet.Args) {
	b.name(name)
	if !b.packed {
		b.out = append(b.out, args.Raw(0)...)
		return
	}
	if first, err := msgpack.NewReader(args.AppendMsgpack(nil)).Raw(maxNested); err == nil {
		b.out = append(b.out, first...)
	} else {
		b.out = msgpack.AppendNil(b.out)
	}
}

// heardClassic handles messages that were published for Node's redis-adapter.
func (n *Node) heardClassic(h heard) error {
	prefix := n.cfg.Key
	switch {
	case h.pattern != "":
		return n.heardBroadcast(h, n.signal.namespaceOf(h.pattern))
	case strings.HasPrefix(h.channel, prefix+"-request#"):
		a := n.adapter(strings.TrimSuffix(strings.TrimPrefix(h.channel, prefix+"-request#"), "#"))
		if a == nil {
			return nil
		}
		return a.heardRequest(h)
	case strings.HasPrefix(h.channel, prefix+"-response#"):
		return n.heardResponse(h)
	}
	return nil
}

// heardBroadcast handles a message on the channel of a namespace or of one of its rooms.
func (n *Node) heardBroadcast(h heard, namespace string) error {
	a := n.adapter(namespace)
	if a == nil {
		return nil
	}
	if n.signer.on() { // ours are in another form
		m, err := n.open(heard{channel: h.channel, payload: h.payload})
		if err != nil || m.uid == n.uid || m.namespace != namespace {
			return err
		}
		return a.operate(m)
	}
	m, number, err := classicLetter([]byte(h.payload))
	if err != nil || m.uid == n.uid || m.namespace != namespace {
		return err // a channel of another namespace can begin like those of this one
	}
	a.arrived(m.uid, number)
	room := strings.TrimSuffix(strings.TrimPrefix(h.channel, n.public(namespace)), "#")
	if room != "" && !a.local.HasRoom(room) {
		return nil // nobody here to read it for
	}
	act, err := actionOf(m, n.cfg.Packet)
	if err == nil {
		n.perform(act, false, nil)
	}
	return err
}

// classicLetter reads a broadcast. The namespace of the packet is "/" unless it says another one.
func classicLetter(payload []byte) (m letter, number uint64, err error) {
	r := msgpack.NewReader(payload)
	parts, err := r.Array()
	if err != nil || parts < 3 || parts > maxFields {
		return m, 0, errMessage
	}
	uid, err := r.Text()
	if err != nil || len(uid) == 0 || len(uid) > maxUID {
		return m, 0, errMessage
	}
	m = letter{uid: string(uid), namespace: "/", kind: typeBroadcast, body: data{packed: true, fields: map[string][]byte{}}}
	for i := 1; i < parts; i++ {
		value, err := r.Raw(maxNested)
		if err != nil {
			return m, 0, errMessage
		}
		if name := []string{"", fieldPacket, fieldOptions, "gatehouse"}; i < len(name) {
			m.body.fields[name[i]] = value
		}
	}
	if r.End() != nil {
		return m, 0, errMessage
	}
	p, err := m.body.object(fieldPacket)
	if err != nil {
		return m, 0, err
	}
	if p.has("nsp") {
		if m.namespace, err = p.text("nsp"); err != nil {
			return m, 0, err
		}
	}
	if !m.body.has("gatehouse") {
		return m, 0, nil
	}
	ours, err := m.body.object("gatehouse")
	if err != nil {
		return m, 0, err
	}
	if _, err = ours.version(); err != nil {
		return m, 0, err
	}
	number, err = ours.number()
	return m, number, err
}

// dataOf reads an object in JSON, which begins with a brace, or in msgpack.
func dataOf(payload string) (data, error) {
	if strings.HasPrefix(payload, "{") {
		return dataOfJSON([]byte(payload))
	}
	return dataOfMsgpack([]byte(payload))
}

// heardRequest acts on a request.
func (a *adapter) heardRequest(h heard) error {
	if a.node.signer.on() {
		return errUnsigned
	}
	m, typ, err := classicRequest(h.payload, a.name)
	if err != nil || m.uid == a.node.uid {
		return err
	}
	if m.kind == 0 {
		return a.answerClassic(typ, m)
	}
	ours := m.version > 0
	switch m.kind {
	case typeFetch, typeServerEmit:
		if ours {
			return nil // it came on the nodes' own channel, too
		}
		to, err := askerOf(m)
		to.classic = true
		if err != nil {
			return err
		}
		return a.questionOf(m, to)
	}
	m.classic = !ours
	return a.operate(m)
}

// classicRequest reads a request. Emitters have no uid.
func classicRequest(payload, namespace string) (m letter, typ int, err error) {
	d, err := dataOf(payload)
	if err != nil {
		return m, 0, err
	}
	m = letter{namespace: namespace, body: d}
	if err = d.value("type", &typ); err != nil {
		return m, 0, err
	}
	m.kind = classicKinds[typ]
	if d.has("uid") {
		if m.uid, err = d.text("uid"); err != nil || !validUID(m.uid) {
			return m, 0, errMessage
		}
	}
	if m.version, err = d.version(); err != nil {
		return m, 0, err
	}
	if m.kind == typeServerEmit {
		d.fields[fieldPacket] = d.fields[fieldData]
	}
	return m, typ, nil
}

// answerClassic answers the questions of Node's redis-adapter alone: for the ids of sockets, and for all rooms.
func (a *adapter) answerClassic(typ int, m letter) error {
	to, err := askerOf(m)
	if err != nil {
		return err
	}
	ids := make(names, 0)
	sel := options{}.selection()
	if typ == classicSockets && m.body.has(fieldRooms) {
		if sel.Rooms, err = m.body.rooms(); err != nil {
			return err
		}
	}
	for info, err := range a.local.Sockets(a.node.ctx, &sel) {
		if err != nil {
			return err
		}
		ids = append(ids, info.ID)
	}
	switch typ {
	case classicSockets:
		a.respondClassic(map[string]any{fieldRequest: to.id, fieldSockets: ids})
	case classicRooms: // a socket's id is a room there
		for name := range a.local.Rooms() {
			ids = append(ids, name)
		}
		a.respondClassic(map[string]any{fieldRequest: to.id, fieldRooms: ids})
	default:
		return errMessage
	}
	return nil
}

// heardResponse takes an answer of one of Node's servers, which does not name its sender. Answers to other nodes'
// questions come here, too.
func (n *Node) heardResponse(h heard) error {
	d, err := dataOf(h.payload)
	if err != nil {
		return err
	}
	if !d.has(fieldRequest) {
		return errMessage
	}
	id, err := d.text(fieldRequest)
	if err != nil || !n.asking.isOpen(id) {
		return err
	}
	m := letter{body: d, kind: typeFetched}
	if d.has("type") {
		var typ int
		if err := d.value("type", &typ); err != nil {
			return err
		}
		m.kind = map[int]int{classicServerEmit: typeServerAnswer, classicCount: typeCount, classicAck: typeAck}[typ]
	}
	if m.kind == typeServerAnswer && d.has(fieldData) {
		d.fields[fieldPacket] = d.fields[fieldData]
	}
	if n.signer.on() {
		return errUnsigned
	}
	return n.asking.answer(m, n.cfg.Packet)
}

func jsonOf(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // texts, numbers and what was JSON before cannot fail
	}
	return text
}

func appendJSON(out []byte, v any) []byte {
	if more, err := msgpack.AppendJSON(out, jsonOf(v), msgpack.Attachments{}); err == nil {
		return more
	}
	return msgpack.AppendNil(out)
}
