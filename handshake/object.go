package handshake

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a parsed JSON object: its members in their order, each name once,
// the values raw and in the memory of the text. Values are decoded only when
// they are asked for: a token has claims that only its issuer reads.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

var errNoObject = errors.New("not a JSON object")

// objectDecoder is a decoder and what it reads from.
type objectDecoder struct {
	jsontext.Decoder
	text bytes.Buffer
}

// objectDecoders keeps decoders with their buffers; no state outlives a call.
var objectDecoders = sync.Pool{New: func() any { return new(objectDecoder) }}

// readObject parses text, which must be one JSON object (RFC 8259) and
// nothing else. A name that comes twice is an error: other readers might take
// the other one (RFC 7519, section 4). Single surrogates are read as U+FFFD.
func readObject(text []byte) (object, error) {
	d := objectDecoders.Get().(*objectDecoder)
	defer func() {
		d.Reset(http.NoBody) // lets go of the text
		d.text = bytes.Buffer{}
		objectDecoders.Put(d)
	}()
	d.text = *bytes.NewBuffer(text)
	d.Reset(&d.text, jsontext.AllowInvalidUTF8(true))
	if first, err := d.ReadToken(); err != nil || first.Kind() != '{' {
		return nil, errNoObject
	}
	o := make(object, 0, min(bytes.Count(text, []byte{':'}), 8)) // about as many as there are
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errNoObject
		}
		m := member{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, errNoObject
		}
		end := d.InputOffset()
		m.value = text[end-int64(len(value)) : end : end] // the decoder's own may move
		o = append(o, m)
	}
	if _, err := d.ReadToken(); err != nil || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, errNoObject
	}
	return o, nil
}

// get returns a member's value, nil when there is none of the name.
func (o object) get(name string) jsontext.Value {
	for i := range o {
		if o[i].name == name {
			return o[i].value
		}
	}
	return nil
}

// without returns the object without the named members, in the same memory.
func (o object) without(names ...string) object {
	rest := o[:0]
next:
	for _, m := range o {
		for _, name := range names {
			if m.name == name {
				continue next
			}
		}
		rest = append(rest, m)
	}
	return rest
}

// lookUp finds a member by its name, or else along a path with dots.
func (o object) lookUp(path string) jsontext.Value {
	if value := o.get(path); value != nil {
		return value
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	inner, err := readObject(o.get(head))
	if err != nil {
		return nil
	}
	return inner.lookUp(rest)
}

// stringOf returns the text of a JSON string; ok is false for anything else.
func stringOf(value jsontext.Value) (s string, ok bool) {
	if value.Kind() != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	return s, json.Unmarshal(value, &s) == nil
}
