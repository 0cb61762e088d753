package rfc6455

import (
	"bufio"
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// opens is a head as a browser sends it; more are header fields, each with its end
// of line.
func opens(target string, more ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: chat.example:3000\r\n" +
		"Connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(more, "") + "\r\n"
}

const target = "/socket.io/?EIO=4&transport=websocket"

// opening reads a head that opens a WebSocket; nil for all others.
func opening(head string) (*http.Request, int) {
	r, n := ParseRequest([]byte(head), "/socket.io", new(http.Request), new(Fields))
	if r == nil || !IsOpening(r) {
		return nil, 0
	}
	return r, n
}

func TestPlainRequestsAreRead(t *testing.T) {
	head := opens(target+"&token=a%20b", "Origin: https://chat.example\r\n", "Cookie: a=1; b=\"2\"\r\n", "cookie:\tc=3 \r\n", "X-Empty:\r\n")
	r, n := opening(head + "\x81\x80")
	if r == nil || n != len(head) {
		t.Fatalf("%v %d", r, n)
	}
	want := http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"WebSocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"https://chat.example"},
		"Cookie": {`a=1; b="2"`, "c=3"}, "X-Empty": {""},
	}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("%q", r.Header)
	}
	if r.Host != "chat.example:3000" || r.URL.Query().Get("token") != "a b" || r.URL.Path != "/socket.io/" {
		t.Errorf("%q %q", r.Host, r.URL)
	}
	for _, target := range []string{"/socket.io?EIO=4", "/socket.io", "/socket.io/"} {
		if r, _ := opening(opens(target)); r == nil {
			t.Errorf("%s is left to net/http", target)
		}
	}
}

func TestWhatIsInDoubtIsLeftToNetHTTP(t *testing.T) {
	good := opens(target)
	for name, head := range map[string]string{
		"nothing":             "",
		"half a head":         good[:len(good)-2],
		"another path":        opens("/socket.iox/?EIO=4"),
		"a path below":        opens("/socket.io/client.js"),
		"two slashes":         opens("/socket.io//?EIO=4"),
		"an escaped path":     opens("/socket%2Eio/?EIO=4"),
		"an empty query":      opens("/socket.io/?"),
		"a fragment":          opens(target + "#x"),
		"a space":             opens(target + " x"),
		"the absolute form":   opens("http://chat.example" + target),
		"a byte above ASCII":  opens(target + "\xc3\xa4"),
		"a POST":              strings.Replace(good, "GET", "POST", 1),
		"HTTP/1.0":            strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1),
		"no Upgrade":          strings.Replace(good, "upgrade", "X-Upgrade", 1),
		"another Upgrade":     strings.Replace(good, "WebSocket", "h2c", 1),
		"no Host":             strings.Replace(good, "Host", "X-Host", 1),
		"an empty Host":       strings.Replace(good, "chat.example:3000", "", 1),
		"an odd Host":         strings.Replace(good, "chat.example:3000", "a/b", 1),
		"two Hosts":           opens(target, "Host: other.example\r\n"),
		"a body":              opens(target, "Content-Length: 3\r\n"),
		"an empty body":       opens(target, "Content-Length: 0\r\n"),
		"chunks":              opens(target, "Transfer-Encoding: chunked\r\n"),
		"trailers":            opens(target, "Trailer: X\r\n"),
		"an expectation":      opens(target, "Expect: 100-continue\r\n"),
		"a folded field":      opens(target, "X-A: b\r\n c\r\n"),
		"a space in a name":   opens(target, "X A: b\r\n"),
		"a space before :":    opens(target, "X-A : b\r\n"),
		"no name":             opens(target, ": b\r\n"),
		"no colon":            opens(target, "X-A\r\n"),
		"a bare line feed":    opens(target, "X-A: b\nX-C: d\r\n"),
		"a bare return":       opens(target, "X-A: b\rX-C: d\r\n"),
		"a NUL":               opens(target, "X-A: b\x00\r\n"),
		"line feeds only":     strings.ReplaceAll(good, "\r\n", "\n"),
		"a byte above in one": opens(target, "X-A: \xff\r\n"),
		"many fields":         opens(target, strings.Repeat("X-A: b\r\n", maxRequestFields)),
		"a line before":       "\r\n" + good,
	} {
		if r, _ := opening(head); r != nil {
			t.Errorf("%s is taken: %q", name, head)
		}
	}
}

// FuzzRequest compares the requests that are taken with net/http's reading of them:
// both must be the same, also for a request that follows another one.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(opens(target)), []byte(nil))
	f.Add([]byte(opens("/socket.io?a=%zz&b=;", "Pragma: no-cache\r\n", "X-A:  b \t\r\n", "x-a: c\r\n")), []byte(polls("GET", pollTarget)))
	f.Add([]byte(opens(target, "Cookie: a=1\r\n", "HOST: x\r\n")+"early"), []byte(opens(target)))
	f.Add([]byte(polls("GET", pollTarget)), []byte(polls("GET", pollTarget)))
	f.Add([]byte(polls("POST", pollTarget, "Content-Length: 007\r\n")+"4hello!"), []byte(polls("POST", pollTarget, "Content-Length: 1\r\n")+"2"))
	f.Add([]byte(polls("POST", pollTarget, "content-length:\t3 \r\n", "Connection: keep-alive\r\n")+"4hi"), []byte(polls("GET", pollTarget, "Content-Length: 0\r\n")))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var fields Fields
		for _, b := range [][]byte{first, second} {
			got, n := ParseRequest(b, "/socket.io", new(http.Request), &fields)
			if got == nil {
				continue
			}
			want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
			if err != nil {
				t.Fatalf("net/http refuses %q: %v", b[:n], err)
			}
			equalRequests(t, b[:n], got, want)
		}
	})
}

// equalRequests checks what two parsers have read.
func equalRequests(t *testing.T, head []byte, got, want *http.Request) {
	t.Helper()
	if want.Header.Get("Pragma") == "no-cache" && got.Header["Cache-Control"] == nil {
		delete(want.Header, "Cache-Control") // net/http adds it
	}
	type parts struct {
		method, uri, host, proto string
		url                      url.URL
		length                   int64
		chunked                  bool
	}
	of := func(r *http.Request) parts {
		return parts{r.Method, r.RequestURI, r.Host, r.Proto, *r.URL, r.ContentLength, r.TransferEncoding != nil}
	}
	if of(got) != of(want) || !maps.EqualFunc(got.Header, want.Header, equalValues) {
		t.Fatalf("%q is\n%+v %q, for net/http\n%+v %q", head, of(got), got.Header, of(want), want.Header)
	}
	if IsPoll(got) && want.Close {
		t.Fatalf("%q asks to close the connection, for net/http", head)
	}
}

func equalValues(a, b []string) bool { return reflect.DeepEqual(a, b) }

func BenchmarkParseRequest(b *testing.B) {
	head := []byte(opens(target, "Origin: https://chat.example\r\n", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"))
	b.Run("ParseRequest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r, _ := ParseRequest(head, "/socket.io", new(http.Request), new(Fields)); r == nil {
				b.Fatal("not taken")
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// polls is the head of a poll as a browser sends it.
func polls(method, target string, more ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: chat.example:3000\r\n" + strings.Join(more, "") + "\r\n"
}

const pollTarget = "/socket.io/?EIO=4&transport=polling&t=abc123&sid=xyz"

func TestPollsAreRead(t *testing.T) {
	for head, length := range map[string]int64{
		polls("GET", pollTarget):                                                             0,
		polls("GET", pollTarget, "Connection: Keep-Alive\r\n"):                               0,
		polls("POST", pollTarget, "Content-Length: 0\r\n"):                                   0,
		polls("POST", pollTarget, "content-length: 12 \r\n", "Content-Type: text/plain\r\n"): 12,
	} {
		r, n := ParseRequest([]byte(head+"body"), "/socket.io", new(http.Request), new(Fields))
		if r == nil || n != len(head) || !IsPoll(r) || IsOpening(r) || r.ContentLength != length {
			t.Errorf("%q: %+v %d", head, r, n)
		}
	}
}

func TestWhatMayBeNoPollIsLeftToNetHTTP(t *testing.T) {
	for name, head := range map[string]string{
		"another method":          polls("PUT", pollTarget, "Content-Length: 1\r\n"),
		"a preflight":             polls("OPTIONS", pollTarget),
		"a HEAD":                  polls("HEAD", pollTarget),
		"lower case":              polls("get", pollTarget),
		"a GET with a body":       polls("GET", pollTarget, "Content-Length: 1\r\n"),
		"a POST without a length": polls("POST", pollTarget),
		"two lengths":             polls("POST", pollTarget, "Content-Length: 1\r\n", "Content-Length: 1\r\n"),
		"a list of lengths":       polls("POST", pollTarget, "Content-Length: 1, 1\r\n"),
		"a sign":                  polls("POST", pollTarget, "Content-Length: +1\r\n"),
		"a negative length":       polls("POST", pollTarget, "Content-Length: -1\r\n"),
		"no digits":               polls("POST", pollTarget, "Content-Length: \r\n"),
		"too many digits":         polls("POST", pollTarget, "Content-Length: 0000000001\r\n"),
		"chunks":                  polls("POST", pollTarget, "Transfer-Encoding: chunked\r\n"),
		"chunks and a length":     polls("POST", pollTarget, "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"),
		"an expectation":          polls("POST", pollTarget, "Content-Length: 1\r\n", "Expect: 100-continue\r\n"),
		"a close":                 polls("GET", pollTarget, "Connection: close\r\n"),
		"an option":               polls("GET", pollTarget, "Connection: keep-alive, X\r\n"),
		"two Connections":         polls("GET", pollTarget, "Connection: keep-alive\r\n", "Connection: close\r\n"),
		"an upgrade":              polls("GET", pollTarget, "Upgrade: h2c\r\n"),
		"an empty Host first":     strings.Replace(polls("GET", pollTarget, "Host: a\r\n"), "chat.example:3000", "", 1),
	} {
		if r, _ := ParseRequest([]byte(head), "/socket.io", new(http.Request), new(Fields)); r != nil && IsPoll(r) {
			t.Errorf("%s is taken: %q", name, head)
		}
	}
}

// The fields of one request do not get into the next one.
func TestFieldsAreThoseOfTheirRequest(t *testing.T) {
	var fields Fields
	parse := func(head string) *http.Request {
		r, _ := ParseRequest([]byte(head), "/socket.io", new(http.Request), &fields)
		return r
	}
	first := parse(polls("GET", pollTarget, "Cookie: a=1\r\n"))
	if same := parse(polls("GET", pollTarget, "Cookie: a=1\r\n")); same == nil || same.Header.Get("Cookie") != "a=1" {
		t.Errorf("%+v", same)
	}
	if other := parse(polls("GET", pollTarget)); other == nil || other.Header["Cookie"] != nil || first.Header.Get("Cookie") != "a=1" {
		t.Errorf("%+v after %+v", other, first)
	}
	for range 2 {
		if parse(polls("GET", pollTarget, "X A: b\r\n")) != nil {
			t.Error("an odd field is taken")
		}
	}
	if r := parse(polls("GET", pollTarget)); r == nil || r.Host != "chat.example:3000" {
		t.Errorf("%+v", r)
	}
}
