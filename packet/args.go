package packet

import (
	"encoding/json"
	"slices"
)

// Args are the arguments of an event or an acknowledgement: raw JSON and attachments. They are immutable, so that any
// number of goroutines may share them; the results of Raw, Attachments and Decode share their memory and must not be
// changed. The zero value has no arguments.
type Args struct {
	raw         []byte   // the elements with the commas between them, as on the wire
	ends        []uint32 // where each element ends in raw; nil when there are fewer than two
	attachments [][]byte
}

// Encoded returns one argument that is JSON already, without a placeholder: such as [Args.Raw] of another one, or one made
// of several. The text is neither checked nor copied, so that it must not change any more.
func Encoded(text []byte) Args { return Args{raw: text} }

// newRawArgs copies the elements of an array that end at the given offsets of text; the first one begins somewhere after i.
func newRawArgs(text []byte, i int, ends []uint32) Args {
	if len(ends) == 0 {
		return Args{}
	}
	start := skipSeparator(text, i)
	a := Args{raw: append([]byte(nil), text[start:ends[len(ends)-1]]...)}
	if len(ends) > 1 {
		a.ends = make([]uint32, len(ends))
		for n, end := range ends {
			a.ends[n] = end - uint32(start) // messages are far below 4 GiB
		}
	}
	return a
}

// skipSeparator returns the index of the first byte from i on that belongs to a value.
func skipSeparator(text []byte, i int) int {
	for i = skipSpace(text, i); i < len(text) && text[i] == ','; {
		i = skipSpace(text, i+1)
	}
	return i
}

// Len returns the number of arguments.
func (a Args) Len() int {
	switch {
	case len(a.raw) == 0:
		return 0
	case a.ends == nil:
		return 1
	default:
		return len(a.ends)
	}
}

// Raw returns argument i as on the wire, with placeholders in place of attachments, or nil when there is none.
func (a Args) Raw(i int) json.RawMessage {
	switch {
	case i < 0 || i >= a.Len():
		return nil
	case a.ends == nil:
		return a.raw[:len(a.raw):len(a.raw)]
	case i == 0:
		return a.raw[:a.ends[0]:a.ends[0]]
	default:
		return a.raw[skipSeparator(a.raw, int(a.ends[i-1])):a.ends[i]:a.ends[i]]
	}
}

// AppendJSON appends the arguments as on the wire, with commas between them and placeholders in place of attachments.
func (a Args) AppendJSON(dst []byte) []byte { return append(dst, a.raw...) }

// Size returns how many bytes the arguments and their attachments have.
func (a Args) Size() int {
	n := len(a.raw)
	for _, b := range a.attachments {
		n += len(b)
	}
	return n
}

// Attachments returns the attachments in the order of the wire.
func (a Args) Attachments() [][]byte { return slices.Clip(a.attachments) }
