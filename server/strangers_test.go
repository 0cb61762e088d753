package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// inUse is the memory that the process holds, in bytes.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// hostileHead is a head that is as large and as costly as allowed.
func hostileHead(limit int) string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "X-%d: %d\r\n", i, i)
	}
	b.WriteString("Cookie: a=" + strings.Repeat("x", limit-b.Len()-1000) + "\r\n")
	return b.String()
}

func hostileQuery() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "&q%d", i)
	}
	return b.String()
}

// A stranger who polls holds no more than Config.StrangerBytes, with a body that is
// not complete and heads as large as they may be.
func TestAStrangerIsSmallWithItsRequests(t *testing.T) {
	const strangers = 100
	s, addr := listening(t, Config{}, func(ln net.Listener) net.Listener { return ln })
	head := hostileHead(s.cfg.HTTP.MaxHeaderBytes)
	before := inUse()
	for range strangers {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/socket.io/?EIO=4&transport=polling"+hostileQuery(), nil)
		r.Header.Set("Cookie", "a="+strings.Repeat("x", s.cfg.HTTP.MaxHeaderBytes-2000))
		s.handler.ServeHTTP(w, r)
		_, rest, _ := strings.Cut(w.Body.String(), `"sid":"`)
		sid, _, _ := strings.Cut(rest, `"`)
		if sid == "" {
			t.Fatal(w.Body.String())
		}
		path := "/socket.io/?EIO=4&transport=polling&sid=" + sid
		hangs(t, addr, "GET "+path+hostileQuery()+" HTTP/1.1\r\nHost: x\r\n"+head+"\r\n")
		hangs(t, addr, "POST "+path+hostileQuery()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n"+head+"\r\n"+strings.Repeat("x", 65535))
	}
	for n := 0; n < strangers; n, _ = s.idle.count() { // the POSTs, whose bodies do not come
		runtime.Gosched()
	}
	held := (inUse() - before) / strangers
	t.Logf("%d bytes each of %d", held, s.cfg.StrangerBytes())
	if held > s.cfg.StrangerBytes() {
		t.Errorf("%d bytes each, at most %d were expected", held, s.cfg.StrangerBytes())
	}
}

func TestHeadsWithTooManyFieldsAreRefused(t *testing.T) {
	_, addr := listening(t, Config{}, func(ln net.Listener) net.Listener { return ln })
	opens := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for name, request := range map[string]string{
		"polling":     "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 129) + "\r\n",
		"websocket":   "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n" + opens + strings.Repeat("A: b\r\n", 129) + "\r\n",
		"a page":      "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 129) + "\r\n",
		"a query":     "GET /socket.io/?EIO=4&transport=polling" + strings.Repeat("&a", 129) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"query, ws":   "GET /socket.io/?EIO=4&transport=websocket" + strings.Repeat("&a", 129) + " HTTP/1.1\r\nHost: x\r\n" + opens + "\r\n",
		"other query": "GET /healthz?" + strings.Repeat("&a", 129) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		answer, _ := io.ReadAll(hangs(t, addr, request))
		if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
			t.Errorf("%s: %.60q", name, answer)
		}
	}
}
