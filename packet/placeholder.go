package packet

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A placeholder stands in the JSON where an attachment belongs: {"_placeholder":true,"num":0}.
const (
	placeholderKey    = "_placeholder"
	placeholderPrefix = `{"_placeholder":true,"num":`
)

func appendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, placeholderPrefix...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, '}')
}

// matchPlaceholder reports whether the object that begins at i is a placeholder with exactly the two members of one, in
// either order (not every client keeps the order), and returns its number and the index behind it.
func matchPlaceholder(text []byte, i int) (num, end int, ok bool) {
	c := cursor{text, i}
	if !c.take("{") {
		return 0, 0, false
	}
	if c.take(`"_placeholder"`) {
		if !c.take(":") || !c.take("true") || !c.take(",") || !c.take(`"num"`) || !c.take(":") {
			return 0, 0, false
		}
		num, ok = c.number()
	} else if c.take(`"num"`) && c.take(":") {
		num, ok = c.number()
		ok = ok && c.take(",") && c.take(`"_placeholder"`) && c.take(":") && c.take("true")
	}
	if !ok || !c.take("}") {
		return 0, 0, false
	}
	return num, c.at, true
}

// cursor walks over tokens of a text and the white space before them.
type cursor struct {
	text []byte
	at   int
}

func (c *cursor) take(token string) bool {
	c.at = skipSpace(c.text, c.at)
	if len(c.text)-c.at < len(token) || string(c.text[c.at:c.at+len(token)]) != token {
		return false
	}
	c.at += len(token)
	return true
}

// number reads a small whole number as JSON writes it. One that does not fit names no attachment anyhow.
func (c *cursor) number() (int, bool) {
	c.at = skipSpace(c.text, c.at)
	value, end := digits(c.text, c.at)
	if end == c.at || end > c.at+1 && c.text[c.at] == '0' {
		return 0, false
	}
	c.at = end
	return int(min(value, HighestMaxAttachments)), true // bounded by the line itself
}

// isPlaceholderKey reports whether a quoted string of JSON, escaped in whatever way, spells the placeholder's key.
func isPlaceholderKey(quoted []byte, escaped bool) bool {
	const longest = len(`\u0000`)*len(placeholderKey) + len(`""`)
	if !escaped {
		return string(quoted) == `"`+placeholderKey+`"`
	}
	if len(quoted) > longest {
		return false
	}
	key, err := jsontext.AppendUnquote(nil, quoted)
	return err == nil && string(key) == placeholderKey
}

// consistent reports whether elements of an array hold exactly the placeholders of the attachments, and no object that
// could be taken for another one.
func consistent(elements []byte, attachments int) bool {
	text := append(append([]byte{'['}, elements...), ']')
	s := scanner{text: text, maxDepth: HighestMaxDepth, attachments: attachments}
	_, err := s.array(0, nil)
	return err == nil
}

// renumber returns a copy of a checked value in which the number of every placeholder is higher by offset.
func renumber(value []byte, offset int) []byte {
	out := make([]byte, 0, len(value)+16)
	for i := 0; i < len(value); {
		end := i + 1
		switch value[i] {
		case '"':
			s := scanner{text: value}
			end, _, _ = s.quoted(i)
		case '{':
			if num, behind, ok := matchPlaceholder(value, i); ok {
				out, i = appendPlaceholder(out, num+offset), behind
				continue
			}
		}
		out, i = append(out, value[i:end]...), end
	}
	return out
}
