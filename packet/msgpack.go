package packet

import (
	"errors"

	"gatehouse/packet/msgpack"
)

// appendMsgpack appends a packet as socket.io-msgpack-parser encodes it: a map {type, data, id, nsp}, in which data is the
// array of an event or an acknowledgement, or the payload of the other types. Node's Redis adapters write packets so too.
// The packet is subject to the same conditions as that of [Encode].
func appendMsgpack(dst []byte, p *Packet) []byte {
	kind := p.Type.plain()
	hasData := kind == Event || kind == Ack || p.Payload != nil
	fields := 2
	if hasData {
		fields++
	}
	if p.HasID {
		fields++
	}
	dst = msgpack.AppendMap(dst, fields)
	dst = msgpack.AppendUint(msgpack.AppendString(dst, "type"), uint64(kind))
	if hasData {
		dst = appendData(msgpack.AppendString(dst, "data"), kind, p)
	}
	if p.HasID {
		dst = msgpack.AppendUint(msgpack.AppendString(dst, "id"), p.ID)
	}
	namespace := p.Namespace
	if namespace == "" {
		namespace = "/"
	}
	return msgpack.AppendString(msgpack.AppendString(dst, "nsp"), namespace)
}

func appendData(dst []byte, kind Type, p *Packet) []byte {
	switch kind {
	case Event:
		elements := p.Args.Len() + 1
		if p.Offset != "" {
			elements++
		}
		dst = msgpack.AppendArray(dst, elements)
		dst = p.Args.AppendMsgpack(msgpack.AppendString(dst, p.Event))
		if p.Offset != "" {
			dst = msgpack.AppendString(dst, p.Offset)
		}
		return dst
	case Ack:
		return p.Args.AppendMsgpack(msgpack.AppendArray(dst, p.Args.Len()))
	default:
		return appendJSON(dst, p.Payload, nil)
	}
}

// AppendMsgpack appends the arguments one after the other, attachments in their places.
func (a Args) AppendMsgpack(dst []byte) []byte { return appendJSON(dst, a.raw, a.attachments) }

// appendJSON appends JSON that was checked when it came in.
func appendJSON(dst, text []byte, attachments [][]byte) []byte {
	out, err := msgpack.AppendJSON(dst, text, msgpack.Attachments{Data: attachments, Match: matchPlaceholder})
	if err != nil {
		return msgpack.AppendNil(dst)
	}
	return out
}

// DecodeMsgpack decodes a packet that socket.io-msgpack-parser, or one of Node's Redis adapters, has encoded. b is borrowed
// for the call. The limits are those of JSON, and so is the check of the arguments. An error is an [*Error].
//
// Fields of the map that mean nothing to a packet are ignored, such as the options that the JavaScript client leaves in.
func DecodeMsgpack(b []byte, l Limits) (Packet, error) {
	d := NewDecoder(l)
	return d.msgpack(b)
}

// fields are the parts of a packet's map; nil where one is missing.
type fields struct{ kind, data, id, namespace []byte }

func (d *Decoder) msgpack(b []byte) (Packet, error) {
	f, err := readFields(b, int(d.limits.depth))
	if err != nil {
		return Packet{}, err
	}
	var p Packet
	if err := f.header(d, &p); err != nil {
		return Packet{}, err
	}
	if err := f.payload(d, &p); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// readFields finds the fields and checks their form, so that later reads cannot fail.
func readFields(b []byte, depth int) (f fields, err error) {
	if len(b) == 0 {
		return f, refuse(Empty, 0)
	}
	r := msgpack.NewReader(b)
	n, err := r.Map()
	for range n {
		if err != nil {
			break
		}
		var key, value []byte
		if key, err = r.Text(); err != nil {
			break
		}
		field := f.named(key)
		kind, _ := r.Peek()
		if value, err = r.Raw(depth); err == nil && field != nil && kind != msgpack.Undefined {
			if *field != nil {
				return f, refuse(RepeatedField, r.Offset())
			}
			*field = value
		}
	}
	if err == nil {
		err = r.End()
	}
	return f, refuseMsgpack(err, r.Offset())
}

func (f *fields) named(key []byte) *[]byte {
	switch string(key) {
	case "type":
		return &f.kind
	case "data":
		return &f.data
	case "id":
		return &f.id
	case "nsp":
		return &f.namespace
	default:
		return nil
	}
}

// header reads type, namespace and id.
func (f *fields) header(d *Decoder, p *Packet) error {
	kind, err := msgpack.NewReader(f.kind).Uint()
	if err != nil || kind > uint64(ConnectError) {
		return refuse(UnknownType, 0)
	}
	p.Type = Type(kind)
	name, err := msgpack.NewReader(f.namespace).Text()
	switch {
	case err != nil, !validNamespace(name):
		return refuse(BadNamespace, 0)
	case len(name) > int(d.limits.namespace):
		return refuse(NamespaceTooLong, 0)
	}
	p.Namespace = d.intern(name)
	if f.id != nil {
		if p.ID, err = msgpack.NewReader(f.id).Uint(); err != nil || p.ID > MaxID {
			return refuse(BadID, 0)
		}
		p.HasID = true
	}
	return checkID(p, 0)
}

// payload reads the data, as JSON.
func (f *fields) payload(d *Decoder, p *Packet) error {
	if f.data == nil {
		if p.Type == Connect || p.Type == Disconnect {
			return nil
		}
		return refuse(MissingPayload, 0)
	}
	limits := msgpack.Limits{Depth: int(d.limits.depth), Attachments: int(d.limits.attachments)}
	if p.Type != Event && p.Type != Ack {
		limits.Attachments = 0
	}
	r := msgpack.NewReader(f.data)
	text, attachments, err := r.JSON(limits)
	if err != nil {
		return refuseMsgpack(err, r.Offset())
	}
	if err := d.payload(text, 0, p, len(attachments)); err != nil {
		return err
	}
	for _, a := range attachments {
		p.Args.attachments = append(p.Args.attachments, append(make([]byte, 0, len(a)), a...))
	}
	return nil
}

// refuseMsgpack gives an error of the reader its reason.
func refuseMsgpack(err error, offset int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, msgpack.ErrTooDeep):
		return refuse(TooDeep, offset)
	case errors.Is(err, msgpack.ErrTrailing):
		return refuse(TrailingBytes, offset)
	case errors.Is(err, msgpack.ErrUTF8):
		return refuse(InvalidUTF8, offset)
	case errors.Is(err, msgpack.ErrAttachments):
		return refuse(TooManyAttachments, offset)
	default:
		return refuse(InvalidMsgpack, offset)
	}
}
