package packet

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Binary is a byte slice that travels as an attachment. A plain []byte does so too; the name documents a field.
type Binary []byte

// NewArgs encodes Go values as arguments. A []byte or [Binary] anywhere inside becomes an attachment (nil becomes null)
// and is not copied: it must not change any more. A single Args passes through unchanged, attachments included, which is
// how an event is handed on; an Args among other values stands for its elements. Values are encoded by the rules of
// encoding/json, but nil slices become [], HTML is not escaped, and a time.Time is written as JavaScript's toISOString
// writes it: UTC, with three digits of a second.
//
// It fails for a value that cannot be encoded. More than [DefaultMaxAttachments] attachments are refused, because the
// JavaScript client closes the connection on them; so is JSON that looks like a placeholder and is not one.
func NewArgs(values ...any) (Args, error) {
	switch len(values) {
	case 0:
		return Args{}, nil
	case 1:
		if a, ok := values[0].(Args); ok {
			return a, nil
		}
	}
	w := writers.Get().(*writer)
	defer w.release()
	for _, v := range values {
		if err := w.write(v); err != nil {
			return Args{}, fmt.Errorf("encode argument %d: %w", w.written(), err)
		}
	}
	return w.args()
}

// writers keeps writers with their buffers and the library's caches of functions per type; no state outlives a call.
var writers = sync.Pool{New: func() any { return newWriter() }}

// writer builds arguments.
type writer struct {
	buf         bytes.Buffer
	ends        []uint32
	attachments [][]byte
	options     json.Options
}

func newWriter() *writer {
	w := new(writer)
	w.options = json.JoinOptions(conventions(), json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(func(enc *jsontext.Encoder, b []byte) error { return w.attach(enc, b) }),
		json.MarshalToFunc(func(enc *jsontext.Encoder, b Binary) error { return w.attach(enc, b) }),
		json.MarshalToFunc(writeTime),
	)))
	return w
}

// writeTime writes a time as a Date of JavaScript is written (ECMA-262, section 21.4.1.32): clients compare such texts.
func writeTime(enc *jsontext.Encoder, t time.Time) error {
	const format = "2006-01-02T15:04:05.000Z"
	t = t.UTC()
	b := append(enc.AvailableBuffer(), '"')
	switch year := t.Year(); {
	case year < 0:
		b = fmt.Appendf(b, "-%06d", -year)
		b = t.AppendFormat(b, format[len("2006"):])
	case year > 9999:
		b = fmt.Appendf(b, "+%06d", year)
		b = t.AppendFormat(b, format[len("2006"):])
	default:
		b = t.AppendFormat(b, format)
	}
	return enc.WriteValue(append(b, '"'))
}

// release returns the writer to the pool, without references to the caller's values.
func (w *writer) release() {
	const keep = 512 << 10 // more than the history of a room; a rare larger message should not pin its buffer
	if w.buf.Cap() > keep {
		return
	}
	w.buf.Reset()
	w.ends, w.attachments = w.ends[:0], nil
	writers.Put(w)
}

// attach writes the placeholder of an attachment.
func (w *writer) attach(enc *jsontext.Encoder, b []byte) error {
	if b == nil {
		return enc.WriteToken(jsontext.Null)
	}
	w.attachments = append(w.attachments, b)
	return enc.WriteValue(appendPlaceholder(enc.AvailableBuffer(), len(w.attachments)-1))
}

// written returns how many elements the writer holds.
func (w *writer) written() int { return len(w.ends) }

// write adds one value, or the elements of an Args.
func (w *writer) write(v any) error {
	if a, ok := v.(Args); ok {
		return w.splice(a)
	}
	if w.written() > 0 {
		w.buf.WriteByte(',')
	}
	if err := w.value(v); err != nil {
		return err
	}
	w.ends = append(w.ends, uint32(w.buf.Len())) // messages are far below 4 GiB
	return nil
}

// value writes the JSON of a value: the plain ones without the library.
func (w *writer) value(v any) error {
	b := w.buf.AvailableBuffer()
	switch v := v.(type) {
	case nil:
		b = append(b, "null"...)
	case bool:
		b = strconv.AppendBool(b, v)
	case string:
		b = appendString(b, v)
	case int:
		b = strconv.AppendInt(b, int64(v), 10)
	case []byte:
		b = w.appendAttachment(b, v)
	case Binary:
		b = w.appendAttachment(b, v)
	default:
		return json.MarshalWrite(&w.buf, v, w.options)
	}
	_, err := w.buf.Write(b)
	return err
}

func (w *writer) appendAttachment(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	w.attachments = append(w.attachments, b)
	return appendPlaceholder(dst, len(w.attachments)-1)
}

// splice adds the elements of a, and numbers its placeholders after those already there.
func (w *writer) splice(a Args) error {
	moved := len(w.attachments)
	w.attachments = append(w.attachments, a.attachments...)
	for i := range a.Len() {
		if w.written() > 0 {
			w.buf.WriteByte(',')
		}
		raw := []byte(a.Raw(i))
		if len(a.attachments) > 0 && moved > 0 {
			raw = renumber(raw, moved)
		}
		w.buf.Write(raw)
		w.ends = append(w.ends, uint32(w.buf.Len())) // messages are far below 4 GiB
	}
	return nil
}

// errLooksLikePlaceholder refuses values that a receiver would take for missing attachments.
var errLooksLikePlaceholder = errors.New(`an object with "_placeholder": true is not an attachment`)

// args copies the written JSON into arguments.
func (w *writer) args() (Args, error) {
	if len(w.attachments) > DefaultMaxAttachments {
		return Args{}, fmt.Errorf("encode arguments: %d attachments, clients accept %d",
			len(w.attachments), DefaultMaxAttachments)
	}
	text := w.buf.Bytes()
	if bytes.Count(text, []byte(placeholderKey)) != len(w.attachments) && !consistent(text, len(w.attachments)) {
		return Args{}, fmt.Errorf("encode arguments: %w", errLooksLikePlaceholder)
	}
	a := newRawArgs(text, 0, w.ends)
	a.attachments = w.attachments
	return a, nil
}
