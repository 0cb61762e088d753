package rfc6455

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// MaxRequest is the longest head that ParseRequest is asked about. A browser's
// has a tenth of it beside its cookies.
const MaxRequest = 8 << 10

// maxRequestFields is the largest number of lines of such a head. It is parsed where
// all connections come by, so thousands of fields are not for here.
const maxRequestFields = 64

// ParseRequest reads the head of a request that opens a WebSocket at path (RFC
// 6455, section 4.1) and returns it with the size of the head in bytes. It takes
// only what is beyond doubt and returns nil for everything else, which net/http
// is to judge: whatever it does take, net/http reads the same way. The request has
// the context of form, which is not changed: http.Request.WithContext would copy it.
func ParseRequest(b []byte, path string, form *http.Request) (*http.Request, int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || !bytes.HasPrefix(b, []byte("GET /")) || bytes.Count(b[:end], []byte("\r\n")) > maxRequestFields {
		return nil, 0
	}
	line, fields, _ := strings.Cut(string(b[:end]), "\r\n")
	target, ok := strings.CutSuffix(line[len("GET "):], " HTTP/1.1")
	if !ok || !consists(target, isTarget) {
		return nil, 0
	}
	at, query, asked := strings.Cut(target, "?")
	if strings.TrimSuffix(at, "/") != path || asked && query == "" {
		return nil, 0
	}
	r := new(http.Request)
	*r = *form
	r.Method, r.RequestURI, r.URL = http.MethodGet, target, &url.URL{Path: at, RawQuery: query}
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.Body = "HTTP/1.1", 1, 1, http.NoBody
	if !readFields(r, fields) || !IsUpgrade(r) {
		return nil, 0
	}
	return r, end + len("\r\n\r\n")
}

// readFields reads the header fields of an opening. One Host and no body are part
// of it.
func readFields(r *http.Request, fields string) bool {
	n := strings.Count(fields, "\r\n") + 1
	r.Header = make(http.Header, n)
	hosts := 0
	values := make([]string, 0, n)
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || !consists(name, isName) || !consists(value, isValue) {
			return false
		}
		switch key := textproto.CanonicalMIMEHeaderKey(name); key {
		case "Host":
			if hosts++; hosts > 1 || !consists(value, isHost) {
				return false
			}
			r.Host = value
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
			return false
		default:
			values = append(values, value)
			if old := r.Header[key]; old != nil {
				r.Header[key] = append(old, value)
			} else {
				r.Header[key] = values[len(values)-1 : len(values) : len(values)]
			}
		}
	}
	return r.Host != ""
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

func isName(c byte) bool   { return isAlphanumeric(c) || c == '-' || c == '_' }
func isHost(c byte) bool   { return isName(c) || c == '.' || c == ':' || c == '[' || c == ']' }
func isTarget(c byte) bool { return c > ' ' && c < 0x7f && c != '#' }
func isValue(c byte) bool  { return c >= ' ' && c < 0x7f || c == '\t' }

// IsUpgrade reports whether r asks for a WebSocket (section 4.1).
func IsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
