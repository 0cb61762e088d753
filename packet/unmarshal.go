package packet

import (
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode stores argument i in the value that v points to, by the rules of encoding/json. Attachments arrive wherever v
// has a []byte, a [Binary] or an any ([]byte then); they share the memory of a. A []byte and a [Binary] take nothing else
// but null: a text where an attachment belongs is an error, whatever it spells. A single surrogate becomes U+FFFD, as a
// string of Go holds none.
//
// It returns [ErrNoArgument] when there is no argument i, and otherwise the reason why it does not fit v.
func (a Args) Decode(i int, v any) error {
	raw := a.Raw(i)
	if raw == nil {
		return fmt.Errorf("decode argument %d: %w", i, ErrNoArgument)
	}
	r := readers.Get().(*reader)
	defer r.release()
	r.attachments = a.attachments
	if err := json.Unmarshal(raw, v, r.optionsFor(a)); err != nil {
		return fmt.Errorf("decode argument %d: %w", i, err)
	}
	return nil
}

// readers keeps readers with the library's caches of functions per type; no state outlives a call.
var readers = sync.Pool{New: func() any { return newReader() }}

// reader decodes values, with the attachments that their placeholders name.
type reader struct {
	attachments [][]byte
	plain       json.Options // for arguments without attachments: they hold no placeholders
	binary      json.Options
}

func newReader() *reader {
	r := new(reader)
	bytes := json.JoinUnmarshalers(
		json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *[]byte) error { return fillBytes(r, dec, v) }),
		json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *Binary) error { return fillBytes(r, dec, (*[]byte)(v)) }),
	)
	r.plain = json.JoinOptions(conventions(), json.WithUnmarshalers(bytes))
	r.binary = json.JoinOptions(conventions(), json.WithUnmarshalers(json.JoinUnmarshalers(bytes,
		json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error { return fill(r, dec, v) }),
	)))
	return r
}

func (r *reader) optionsFor(a Args) json.Options {
	if len(a.attachments) == 0 {
		return r.plain
	}
	return r.binary
}

func (r *reader) release() {
	r.attachments = nil
	readers.Put(r)
}

// errNoAttachment refuses a value where only an attachment can stand.
var errNoAttachment = errors.New("an attachment belongs here")

// fillBytes stores an attachment or null in v.
func fillBytes(r *reader, dec *jsontext.Decoder, v *[]byte) error {
	if dec.PeekKind() == 'n' {
		return errors.ErrUnsupported // the library's null
	}
	if err := fill(r, dec, v); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return errNoAttachment
}

// fill stores the attachment in v when the next value is a placeholder, and leaves every other value to the library.
func fill[T []byte | any](r *reader, dec *jsontext.Decoder, v *T) error {
	if dec.PeekKind() != '{' {
		return errors.ErrUnsupported
	}
	unread := dec.UnreadBuffer()
	start := skipSeparator(unread, 0)
	if start < len(unread) && unread[start] == ':' {
		start = skipSpace(unread, start+1)
	}
	num, _, ok := matchPlaceholder(unread, start)
	if !ok || num >= len(r.attachments) {
		return errors.ErrUnsupported
	}
	if err := dec.SkipValue(); err != nil {
		return err
	}
	attachment := r.attachments[num]
	*v = any(attachment[:len(attachment):len(attachment)]).(T)
	return nil
}
