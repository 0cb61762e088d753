package packet

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Decoder turns the messages of one session into packets. The zero value is ready and has the default limits. It is not
// safe for concurrent use: messages of a session have an order.
//
// The wire of a session is that of its first message: a text is [V5], a binary message [Msgpack].
//
// A decoder has no memory of its own but the packet whose attachments it awaits, and the name of the last namespace, so
// that an idle connection costs little.
type Decoder struct {
	limits    limits
	begun     bool // there has been a message, so the wire is known
	wire      Wire
	pending   *pending
	namespace string // namespace of the last packet: sessions rarely have many
}

// pending is a packet whose attachments have not all arrived.
type pending struct {
	packet   Packet
	expected int
}

// NewDecoder returns a decoder with the given limits.
func NewDecoder(l Limits) Decoder { return Decoder{limits: l.compact()} }

// Wire returns the wire of the session; before its first message it is [V5].
func (d *Decoder) Wire() Wire { return d.wire }

// begin notes the wire of the first message, and the default limits for a decoder that has none.
func (d *Decoder) begin(w Wire) {
	if !d.begun {
		d.begun, d.wire = true, w
	}
	if d.limits == (limits{}) {
		d.limits = Limits{}.compact()
	}
}

// Forget drops a packet whose attachments are awaited.
func (d *Decoder) Forget() { d.pending = nil }

// Text decodes a text message without the Engine.IO type byte. The packet is complete unless it announces attachments:
// then Text returns false and the last call of Binary returns the packet. b is borrowed for the call.
//
// An error is an [*Error]. The decoder then has forgotten the packet in progress; the session should end, as both sides no
// longer agree on where packets begin.
func (d *Decoder) Text(b []byte) (p Packet, complete bool, err error) {
	d.begin(V5)
	switch {
	case d.wire != V5:
		return Packet{}, false, refuse(UnexpectedText, 0)
	case d.pending != nil:
		d.pending = nil
		return Packet{}, false, refuse(AttachmentsAwaited, 0)
	}
	attachments, err := d.decode(b, &p)
	if err != nil {
		return Packet{}, false, err
	}
	if attachments > 0 {
		p.Args.attachments = make([][]byte, 0, attachments)
		d.pending = &pending{packet: p, expected: attachments}
		return Packet{}, false, nil
	}
	return p, true, nil
}

// Binary takes an attachment, or with [Msgpack] a whole packet. When it is the last attachment that the packet announced, it
// returns the packet. b is borrowed for the call. Errors are as those of Text.
func (d *Decoder) Binary(b []byte) (p Packet, complete bool, err error) {
	d.begin(Msgpack)
	if d.wire == Msgpack {
		p, err = d.msgpack(b)
		return p, err == nil, err
	}
	if d.pending == nil {
		return Packet{}, false, refuse(UnexpectedBinary, 0)
	}
	args := &d.pending.packet.Args
	args.attachments = append(args.attachments, append(make([]byte, 0, len(b)), b...))
	if len(args.attachments) < d.pending.expected {
		return Packet{}, false, nil
	}
	p, d.pending = d.pending.packet, nil
	return p, true, nil
}

// decode reads a packet and the number of attachments that follow it:
//
//	type [attachments "-"] [namespace ","] [id] [JSON]
func (d *Decoder) decode(b []byte, p *Packet) (attachments int, err error) {
	switch {
	case len(b) == 0:
		return 0, refuse(Empty, 0)
	case b[0] < '0' || b[0] > '0'+byte(BinaryAck):
		return 0, refuse(UnknownType, 0)
	case !utf8.Valid(b):
		return 0, refuse(InvalidUTF8, 0)
	}
	kind, i := Type(b[0]-'0'), 1
	p.Type = kind.plain()
	if kind.binary() {
		if attachments, i, err = d.count(b, i); err != nil {
			return 0, err
		}
	}
	if i, err = d.scope(b, i, p); err != nil {
		return 0, err
	}
	if i, err = identify(b, i, p); err != nil {
		return 0, err
	}
	return attachments, d.payload(b, i, p, attachments)
}

// count reads the number of attachments and the dash behind it.
func (d *Decoder) count(b []byte, i int) (n, end int, err error) {
	value, end := digits(b, i)
	switch {
	case end == i, end == len(b), b[end] != '-', value == 0:
		return 0, 0, refuse(BadAttachmentCount, i)
	case value > uint64(d.limits.attachments):
		return 0, 0, refuse(TooManyAttachments, i)
	}
	return int(value), end + 1, nil // at most HighestMaxAttachments
}

// scope reads the namespace, which ends with a comma or with the packet. A question mark is a part of the name, as for
// Node with this revision of the protocol.
func (d *Decoder) scope(b []byte, i int, p *Packet) (int, error) {
	p.Namespace = "/"
	if i == len(b) || b[i] != '/' {
		return i, nil
	}
	name, rest := b[i:], len(b)
	if comma := bytes.IndexByte(name, ','); comma >= 0 {
		name, rest = name[:comma], i+comma+1
	}
	if len(name) > int(d.limits.namespace) {
		return i, refuse(NamespaceTooLong, i)
	}
	p.Namespace = d.intern(name)
	return rest, nil
}

// intern returns a namespace without a new copy when it is that of the last packet.
func (d *Decoder) intern(name []byte) string {
	switch {
	case len(name) == 1:
		return "/"
	case d.namespace != string(name):
		d.namespace = string(name)
	}
	return d.namespace
}

// validNamespace reports whether a text packet could name the namespace: it begins with a slash and ends before a comma.
func validNamespace(name []byte) bool {
	return len(name) > 0 && name[0] == '/' && bytes.IndexByte(name, ',') < 0 && utf8.Valid(name)
}

// identify reads the acknowledgement id.
func identify(b []byte, i int, p *Packet) (int, error) {
	value, end := digits(b, i)
	p.ID, p.HasID = value, end > i
	if value > MaxID {
		return i, refuse(BadID, i)
	}
	return end, checkID(p, i)
}

// checkID refuses an id on a packet that must have none, and an acknowledgement without one.
func checkID(p *Packet, i int) error {
	switch {
	case p.HasID && p.Type != Event && p.Type != Ack:
		return refuse(UnexpectedID, i)
	case !p.HasID && p.Type == Ack:
		return refuse(MissingID, i)
	}
	return nil
}

// payload reads the part after the header. Each type has its own kind of payload.
func (d *Decoder) payload(b []byte, i int, p *Packet, attachments int) error {
	if i == len(b) {
		if p.Type == Connect || p.Type == Disconnect {
			return nil
		}
		return refuse(MissingPayload, i)
	}
	switch first := b[i]; {
	case p.Type == Disconnect:
		return refuse(UnexpectedPayload, i)
	case p.Type == Connect && first == '{', p.Type == ConnectError && (first == '{' || first == '"'):
		return d.value(b, i, p)
	case p.Type == Event && first == '[', p.Type == Ack && first == '[':
		return d.array(b, i, p, attachments)
	default:
		return refuse(BadPayload, i)
	}
}

// value reads the payload of CONNECT and CONNECT_ERROR.
func (d *Decoder) value(b []byte, i int, p *Packet) error {
	s := scanner{text: b, maxDepth: int(d.limits.depth), attachments: notCounted}
	end, err := s.whole(i)
	if err != nil {
		return err
	}
	p.Payload = bytes.Clone(b[i:end])
	return nil
}

// array reads the arguments of an event, its name before them, or those of an acknowledgement.
func (d *Decoder) array(b []byte, i int, p *Packet, attachments int) error {
	var few [8]uint32 // room on the stack for the common number of arguments
	s := scanner{text: b, maxDepth: int(d.limits.depth), attachments: attachments}
	ends, err := s.array(i, few[:0])
	if err != nil {
		return err
	}
	i++
	if p.Type == Event {
		if p.Event, err = d.eventName(b, skipSpace(b, i), ends); err != nil {
			return err
		}
		i, ends = int(ends[0]), ends[1:]
	}
	p.Args = newRawArgs(b, i, ends)
	return nil
}

// eventName reads the first element of an event. Node takes numbers too, and looks up their handlers by the digits.
func (d *Decoder) eventName(b []byte, i int, ends []uint32) (string, error) {
	if len(ends) == 0 {
		return "", refuse(BadEventName, i)
	}
	name := b[i:ends[0]]
	if name[0] == '-' || name[0]-'0' <= 9 {
		return d.checkedName(name, i)
	}
	if name[0] != '"' {
		return "", refuse(BadEventName, i)
	}
	if bytes.IndexByte(name, '\\') < 0 {
		return d.checkedName(name[1:len(name)-1], i)
	}
	const longestEscape = len(`\u0000`)
	if len(name) > longestEscape*int(d.limits.eventName)+len(`""`) {
		return "", refuse(EventNameTooLong, i)
	}
	// The scanner has checked the string, so that only single surrogates can fail, which become U+FFFD.
	unescaped, _ := jsontext.AppendUnquote(nil, name)
	return d.checkedName(unescaped, i)
}

func (d *Decoder) checkedName(name []byte, i int) (string, error) {
	switch {
	case len(name) == 0:
		return "", refuse(EmptyEventName, i)
	case len(name) > int(d.limits.eventName):
		return "", refuse(EventNameTooLong, i)
	case Reserved(string(name)):
		return "", refuse(ReservedEventName, i)
	}
	return string(name), nil
}

// Reserved reports whether an event name has a meaning of its own in Socket.IO: it can neither be received nor sent.
func Reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	default:
		return false
	}
}
