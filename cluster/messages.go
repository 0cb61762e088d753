package cluster

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"

	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/packet/msgpack"
)

// The types of messages: those of Node's cluster adapter (npm socket.io-adapter), and Gatehouse's own above 100.
const (
	typeBroadcast    = 3
	typeJoin         = 4
	typeLeave        = 5
	typeDisconnect   = 6
	typeFetch        = 7
	typeFetched      = 8
	typeServerEmit   = 9
	typeServerAnswer = 10
	typeCount        = 11 // how many sockets will acknowledge
	typeAck          = 12
	typeSettled      = 101  // this node will not answer any more
	typeTaken        = 103  // the sender has taken over the session whose socket id is named as a room
	typeLocal        = 104  // a broadcast to the sockets of its sender, which others only remember
	maxSelection     = 4096 // rooms named by one message
	maxNested        = 512
	maxFields        = 32
	flagVolatile     = "volatile"
	flagCompress     = "compress"
	flagDirect       = "direct"
	fieldPacket      = "packet"
	fieldOptions     = "opts"
	fieldRequest     = "requestId"
	fieldRooms       = "rooms"
	fieldClose       = "close"
	fieldCount       = "clientCount"
	fieldSockets     = "sockets"
	fieldSocket      = "socket"
	fieldRest        = "rest"
	fieldNumber      = "n"
	fieldParent      = "traceparent"
	fieldRead        = "read"
)

var errMessage = errors.New("cluster: a message of the wrong form")

func utf16Of(s string) []uint16 { return utf16.Encode([]rune(s)) }

// options is a selection as Node's adapters write it.
type options struct {
	Rooms  names          `json:"rooms"`
	Except names          `json:"except"`
	Flags  map[string]any `json:"flags"`
}

// names are names of rooms. With Node a room may be a number, which differs from the room named by its text; here
// both are the same.
type names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *names) UnmarshalJSON(text []byte) error {
	var values []json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil || len(values) > maxSelection {
		return errMessage
	}
	*n = make(names, len(values))
	for i, v := range values {
		if len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
			(*n)[i] = string(v)
			continue
		}
		if v[0] != '"' || json.Unmarshal(v, &(*n)[i]) != nil {
			return errMessage
		}
	}
	return nil
}

func optionsOf(sel *namespaces.Selection) options {
	o := options{Rooms: sel.Rooms, Except: sel.Except, Flags: map[string]any{}}
	if o.Rooms == nil {
		o.Rooms = []string{}
	}
	if o.Except == nil {
		o.Except = []string{}
	}
	if sel.Flags&namespaces.Volatile != 0 {
		o.Flags[flagVolatile] = true
	}
	if sel.Flags&namespaces.Uncompressed != 0 {
		o.Flags[flagCompress] = false
	}
	if sel.Flags&namespaces.Direct != 0 {
		o.Flags[flagDirect] = true
	}
	return o
}

func (o options) selection() namespaces.Selection {
	sel := namespaces.Selection{Rooms: o.Rooms, Except: o.Except}
	if v, _ := o.Flags[flagVolatile].(bool); v {
		sel.Flags |= namespaces.Volatile
	}
	if v, _ := o.Flags[flagDirect].(bool); v {
		sel.Flags |= namespaces.Direct
	}
	if compress, said := o.Flags[flagCompress].(bool); said && !compress {
		sel.Flags |= namespaces.Uncompressed
	}
	return sel
}

// data is the object that comes with a message: its fields are all in JSON or all in msgpack.
type data struct {
	fields map[string][]byte
	packed bool
}

// dataOfJSON reads the fields of an object.
func dataOfJSON(text []byte) (data, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || len(raw) > maxFields {
		return data{}, errMessage
	}
	d := data{fields: make(map[string][]byte, len(raw))}
	for name, value := range raw {
		d.fields[name] = value
	}
	return d, nil
}

// dataOfMsgpack reads the fields of a map.
func dataOfMsgpack(b []byte) (data, error) {
	r := msgpack.NewReader(b)
	n, err := r.Map()
	if err != nil || n > maxFields {
		return data{}, errMessage
	}
	d := data{fields: make(map[string][]byte, n), packed: true}
	for range n {
		name, err := r.Text()
		if err != nil {
			return data{}, errMessage
		}
		kind, _ := r.Peek()
		value, err := r.Raw(maxNested)
		if err != nil {
			return data{}, errMessage
		}
		if kind != msgpack.Undefined && kind != msgpack.Nil {
			d.fields[string(name)] = value
		}
	}
	if r.End() != nil {
		return data{}, errMessage
	}
	return d, nil
}

// dataOfText reads the field "data" of an entry: an object in JSON, or in msgpack as base64.
func dataOfText(text string) (data, error) {
	if text == "" {
		return data{}, errMessage
	}
	if text[0] == '{' {
		return dataOfJSON([]byte(text))
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return data{}, errMessage
	}
	return dataOfMsgpack(b)
}

// value reads a field without binary data.
func (d data) value(name string, v any) error {
	raw, ok := d.fields[name]
	if !ok {
		return fmt.Errorf("%w: %s is missing", errMessage, name)
	}
	if d.packed {
		text, _, err := msgpack.NewReader(raw).JSON(msgpack.Limits{Depth: maxNested})
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errMessage, name, err)
		}
		raw = text
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %s", errMessage, name)
	}
	return nil
}

func (d data) has(name string) bool { _, ok := d.fields[name]; return ok }

func (d data) text(name string) (s string, err error) { err = d.value(name, &s); return s, err }

// selection reads opts.
func (d data) selection() (namespaces.Selection, error) {
	var o options
	if err := d.value(fieldOptions, &o); err != nil {
		return namespaces.Selection{}, err
	}
	return o.selection(), nil
}

// rooms reads the rooms to join or to leave.
func (d data) rooms() ([]string, error) {
	var rooms names
	err := d.value(fieldRooms, &rooms)
	return rooms, err
}

// number reads the number of an operation, 0 when it has none.
func (d data) number() (n uint64, err error) {
	if d.has(fieldNumber) {
		err = d.value(fieldNumber, &n)
	}
	return n, err
}

// event reads an array that begins with an event's name, and checks it as a client's.
func (d data) event(array []byte, namespace string, l packet.Limits) (packet.Packet, error) {
	if d.packed {
		return packet.DecodeMsgpack(eventMessage(namespace, array), l)
	}
	text := append([]byte{'0' + byte(packet.Event)}, namespace...)
	text = append(append(text, ','), array...)
	decoder := packet.NewDecoder(l)
	p, complete, err := decoder.Text(text)
	if err == nil && !complete {
		err = errMessage
	}
	return p, err
}

// eventMessage wraps an array in the packet of an event.
func eventMessage(namespace string, array []byte) []byte {
	b := msgpack.AppendUint(msgpack.AppendString(msgpack.AppendMap(nil, 3), "type"), uint64(packet.Event))
	b = append(msgpack.AppendString(b, "data"), array...)
	return msgpack.AppendString(msgpack.AppendString(b, "nsp"), namespace)
}

// packet reads the packet of a broadcast.
func (d data) packet(namespace string, l packet.Limits) (packet.Packet, error) {
	inner, err := d.object(fieldPacket)
	if err != nil {
		return packet.Packet{}, err
	}
	var kind int
	if err := inner.value("type", &kind); err != nil {
		return packet.Packet{}, err
	}
	if kind != int(packet.Event) && kind != int(packet.BinaryEvent) {
		return packet.Packet{}, fmt.Errorf("%w: no event", errMessage)
	}
	p, err := inner.event(inner.fields["data"], namespace, l)
	if err != nil {
		return packet.Packet{}, err
	}
	return p, namespaces.CheckEvent(p.Event)
}

// object reads a field that is an object itself.
func (d data) object(name string) (data, error) {
	raw := d.fields[name]
	if d.packed {
		return dataOfMsgpack(raw)
	}
	return dataOfJSON(raw)
}

// serverEvent reads the event of a server: its name and its arguments.
func (d data) serverEvent(namespace string, l packet.Limits) (packet.Packet, error) {
	return d.event(d.fields[fieldPacket], namespace, l)
}

// args reads values as arguments.
func (d data) args(l packet.Limits, values ...[]byte) (packet.Args, error) {
	if !d.packed {
		text := []byte(`2["x"`)
		for _, v := range values {
			text = append(append(text, ','), v...)
		}
		decoder := packet.NewDecoder(l)
		p, _, err := decoder.Text(append(text, ']'))
		return p.Args, err
	}
	array := msgpack.AppendString(msgpack.AppendArray(nil, len(values)+1), "x")
	for _, v := range values {
		array = append(array, v...)
	}
	p, err := packet.DecodeMsgpack(eventMessage("/", array), l)
	return p.Args, err
}

// builder writes the object of a message, in the form that its content needs.
type builder struct {
	packed bool
	out    []byte
	n      int
}

func newBuilder(packed bool, fields int) *builder {
	b := &builder{packed: packed}
	if packed {
		b.out = msgpack.AppendMap(nil, fields)
	} else {
		b.out = []byte{'{'}
	}
	return b
}

// name begins a field.
func (b *builder) name(name string) {
	if b.packed {
		b.out = msgpack.AppendString(b.out, name)
		return
	}
	if b.n > 0 {
		b.out = append(b.out, ',')
	}
	b.n++
	b.out = append(append(append(b.out, '"'), name...), '"', ':')
}

// json adds a field of any value that has no attachments.
func (b *builder) json(name string, value any) {
	b.name(name)
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("null")
	}
	b.raw(text)
}

func (b *builder) raw(text []byte) {
	if !b.packed {
		b.out = append(b.out, text...)
		return
	}
	if out, err := msgpack.AppendJSON(b.out, text, msgpack.Attachments{}); err == nil {
		b.out = out
	} else {
		b.out = msgpack.AppendNil(b.out)
	}
}

// event adds an array of an event's name and its arguments.
func (b *builder) event(name, event string, a packet.Args) {
	b.name(name)
	if b.packed {
		b.out = msgpack.AppendString(msgpack.AppendArray(b.out, a.Len()+1), event)
		b.out = a.AppendMsgpack(b.out)
		return
	}
	quoted, _ := json.Marshal(event)
	b.out = append(append(b.out, '['), quoted...)
	if a.Len() > 0 {
		b.out = append(b.out, ',')
	}
	b.out = append(a.AppendJSON(b.out), ']')
}

// packet adds the packet of a broadcast.
func (b *builder) packet(p *packet.Packet) {
	b.name(fieldPacket)
	if b.packed {
		b.out = msgpack.AppendMap(b.out, 2)
		b.out = msgpack.AppendUint(msgpack.AppendString(b.out, "type"), uint64(packet.Event))
	} else {
		b.out = append(b.out, `{"type":`...)
		b.out = strconv.AppendUint(b.out, uint64(packet.Event), 10)
		b.n = 1
	}
	b.event("data", p.Event, p.Args)
	if !b.packed {
		b.out = append(b.out, '}')
	}
}

// bytes ends the object.
func (b *builder) bytes() []byte {
	if !b.packed {
		b.out = append(b.out, '}')
	}
	return b.out
}

// text returns bytes in the form of an entry's field.
func (b *builder) text() string {
	if b.packed {
		return base64.StdEncoding.EncodeToString(b.bytes())
	}
	return string(b.bytes())
}
