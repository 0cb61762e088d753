package msgpack

import (
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errJSON is returned by [AppendJSON] for a text that is no JSON.
var errJSON = errors.New("msgpack: the text is no JSON")

// Attachments are the binary values of a JSON text.
type Attachments struct {
	Data [][]byte
	// Match reports whether the object that begins at text[i] is a placeholder, for which attachment, and where it ends.
	Match func(text []byte, i int) (num, end int, ok bool)
}

// AppendJSON appends a JSON value, or several with commas between them, one after the other. The JSON has been checked
// before: the error says that it was not, and keeps a mistake from becoming a panic.
//
// The work is linear in the size of the text and needs no stack: msgpack names the size of a container before its values,
// so that one pass counts and another one writes.
func AppendJSON(dst, text []byte, a Attachments) ([]byte, error) {
	var few [32]uint32
	sizes, err := containerSizes(text, a, few[:0])
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n', ',', ':', ']', '}':
			i++
		case '[':
			dst, sizes, i = AppendArray(dst, int(sizes[0])), sizes[1:], i+1
		case '{':
			if num, end, ok := a.match(text, i); ok {
				dst, i = AppendBinary(dst, a.Data[num]), end
				continue
			}
			dst, sizes, i = AppendMap(dst, int(sizes[0])), sizes[1:], i+1
		case '"':
			end := stringEnd(text, i)
			dst, i = appendQuoted(dst, text[i:end]), end
		default:
			end := scalarEnd(text, i)
			if dst, err = appendScalar(dst, text[i:end]); err != nil {
				return nil, err
			}
			i = end
		}
	}
	return dst, nil
}

// match is Match with a check that the attachment exists.
func (a Attachments) match(text []byte, i int) (num, end int, ok bool) {
	if len(a.Data) == 0 {
		return 0, 0, false
	}
	num, end, ok = a.Match(text, i)
	return num, end, ok && num < len(a.Data)
}

// containerSizes adds to sizes how many values each array has and how many members each object, in the order in which
// they open. It refuses a text whose brackets or quotes do not match.
func containerSizes(text []byte, a Attachments, sizes []uint32) ([]uint32, error) {
	var few [64]uint32
	open := few[:0] // the containers that are open, as indices into sizes
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			i = stringEnd(text, i) - 1
			if i >= len(text) {
				return nil, errJSON
			}
		case '[', '{':
			if c == '{' {
				if _, end, ok := a.match(text, i); ok {
					i = end - 1
					continue
				}
			}
			open = append(open, uint32(len(sizes))) // messages are far below 4 GiB
			size := uint32(1)
			if next := skipSpace(text, i+1); next < len(text) && (text[next] == ']' || text[next] == '}') {
				size = 0
			}
			sizes = append(sizes, size)
		case ',':
			if len(open) > 0 {
				sizes[open[len(open)-1]]++
			}
		case ']', '}':
			if len(open) == 0 {
				return nil, errJSON
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return nil, errJSON
	}
	return sizes, nil
}

func appendQuoted(dst, quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' {
			unquoted, _ := jsontext.AppendUnquote(nil, quoted) // single surrogates become U+FFFD
			return AppendString(dst, unquoted)
		}
	}
	return AppendString(dst, inner)
}

func appendScalar(dst, text []byte) ([]byte, error) {
	switch string(text) {
	case "null":
		return AppendNil(dst), nil
	case "true", "false":
		return appendBool(dst, text[0] == 't'), nil
	case "-0":
		return AppendUint(dst, 0), nil
	}
	if u, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return AppendUint(dst, u), nil
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return AppendInt(dst, n), nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, errJSON
	}
	return AppendFloat(dst, f), nil
}

// stringEnd returns the index behind the string that begins at i, or one beyond the text when it does not end.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text) + 1
}

// scalarEnd returns the index behind the number or literal that begins at i.
func scalarEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\r', '\n', ',', ':', ']', '}', '[', '{', '"':
			return i
		}
	}
	return i
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}
