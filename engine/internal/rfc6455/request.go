package rfc6455

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// MaxRequest is the longest head that ParseRequest is asked about, in bytes. A
// browser's head without its cookies takes a tenth of that.
const MaxRequest = 8 << 10

// maxRequestFields is the largest number of lines of such a head. The parser stands in
// the way of all connections, so heads of thousands of fields are left to net/http.
const maxRequestFields = 64

// Fields are the header fields of a request. The next request of the same client most
// likely has the same fields, and then shares their memory.
type Fields struct {
	text   string
	header http.Header
	host   string
	length int64 // Content-Length
}

// ParseRequest reads the head of a plain GET or POST at path and returns it with the
// size of the head in bytes; the body of a POST is the caller's. It takes only what is
// beyond doubt and returns nil for everything else, which net/http is to judge:
// whatever it does take, net/http reads the same way. The request has the context of
// form, which is not changed: http.Request.WithContext would copy it. before holds the
// fields of the connection's last request; they are replaced by those of this one.
func ParseRequest(b []byte, path string, form *http.Request, before *Fields) (*http.Request, int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0
	}
	line, fields, same := head(b[:end], before)
	method, target, ok := requestLine(line)
	if !ok {
		return nil, 0
	}
	at, query, asked := strings.Cut(target, "?")
	if strings.TrimSuffix(at, "/") != path || asked && query == "" {
		return nil, 0
	}
	if !same {
		*before = Fields{text: fields}
		if !before.read() {
			*before = Fields{}
			return nil, 0
		}
	}
	r := new(http.Request)
	*r = *form
	r.Method, r.RequestURI, r.URL = method, target, &url.URL{Path: at, RawQuery: query}
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.Body = "HTTP/1.1", 1, 1, http.NoBody
	r.Header, r.Host, r.ContentLength = before.header, before.host, before.length
	return r, end + len("\r\n\r\n")
}

// IsOpening reports whether a request that ParseRequest has read opens a WebSocket
// (RFC 6455, section 4.1).
func IsOpening(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header["Content-Length"] == nil && IsUpgrade(r)
}

// IsPoll reports whether a request that ParseRequest has read may be one of a client that
// uses long-polling, on a connection that stays open.
func IsPoll(r *http.Request) bool {
	if r.Header["Upgrade"] != nil || (r.Method == http.MethodPost) != (r.Header["Content-Length"] != nil) {
		return false
	}
	connection := r.Header["Connection"]
	return len(connection) == 0 || len(connection) == 1 && strings.EqualFold(connection[0], "keep-alive")
}

// head copies a head, once: without the fields where they are those of before.
func head(b []byte, before *Fields) (line, fields string, same bool) {
	first, rest, _ := bytes.Cut(b, []byte("\r\n"))
	if before.header != nil && string(rest) == before.text {
		return string(first), before.text, true
	}
	line, fields, _ = strings.Cut(string(b), "\r\n")
	return line, fields, false
}

// requestLine reads the first line of a head.
func requestLine(line string) (method, target string, ok bool) {
	line, ok = strings.CutSuffix(line, " HTTP/1.1")
	if !ok {
		return "", "", false
	}
	method, target, _ = strings.Cut(line, " ")
	ok = method == http.MethodGet || method == http.MethodPost
	return method, target, ok && strings.HasPrefix(target, "/") && consists(target, isTarget)
}

// read reads the text of header fields. There must be one Host, and no chunked body.
func (f *Fields) read() bool {
	n := strings.Count(f.text, "\r\n") + 1
	if n > maxRequestFields {
		return false
	}
	f.header = make(http.Header, n)
	values := make([]string, 0, n)
	for line := range strings.SplitSeq(f.text, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || !consists(name, isName) || !consists(value, isValue) {
			return false
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if key == "Host" {
			if f.host != "" || value == "" || !consists(value, isHost) {
				return false
			}
			f.host = value
			continue
		}
		old := f.header[key]
		if !f.takes(key, value, old != nil) {
			return false
		}
		values = append(values, value)
		if old != nil {
			f.header[key] = append(old, value)
		} else {
			f.header[key] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	return f.host != ""
}

// maxLengthDigits is the most digits of a Content-Length that ParseRequest takes.
const maxLengthDigits = 9

// takes reads what the fields say about a body, and refuses a request that leaves that
// in doubt.
func (f *Fields) takes(key, value string, again bool) bool {
	switch key {
	case "Transfer-Encoding", "Trailer", "Expect":
		return false
	case "Content-Length":
		if again || value == "" || len(value) > maxLengthDigits || !consists(value, isDigit) {
			return false
		}
		f.length, _ = strconv.ParseInt(value, 10, 64)
	}
	return true
}

// consists reports whether all bytes of s are of a kind.
func consists(s string, kind func(byte) bool) bool {
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// The kinds are narrower than RFC 9110 and RFC 3986 have them.

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isName(c byte) bool   { return isAlphanumeric(c) || c == '-' || c == '_' }
func isHost(c byte) bool   { return isName(c) || c == '.' || c == ':' || c == '[' || c == ']' }
func isTarget(c byte) bool { return c > ' ' && c < 0x7f && c != '#' }
func isValue(c byte) bool  { return c >= ' ' && c < 0x7f || c == '\t' }

// IsUpgrade reports whether r asks for a WebSocket (RFC 6455, section 4.1).
func IsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
