package engine

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// others serves requests of other nodes' sessions, as a cluster does: node "b" is there, and no other.
type others struct {
	mu    sync.Mutex
	asked []string
}

func (o *others) serve(w http.ResponseWriter, r *http.Request, node string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r.Method+" "+node)
	if node != "b" {
		return false
	}
	if r.Header.Get("Upgrade") != "" { // a WebSocket's connection is handed on
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
		return true
	}
	w.WriteHeader(http.StatusTeapot)
	return true
}

// A session's id names its node; a request with the id of another node's session is handed over with its connection, and one
// of no node is unknown here.
func TestRequestsOfOtherNodesSessionsAreHandedOver(t *testing.T) {
	var o others
	r := newRig(t, Config{Node: "a", Elsewhere: o.serve})
	own := r.dialPolling(t)
	random, node, _ := strings.Cut(own.SID(), ".")
	if node != "a" || len(random) != 22 {
		t.Errorf("id %q", own.SID())
	}
	for _, c := range []struct {
		method, sid string
		status      int
	}{
		{http.MethodGet, random + ".b", http.StatusTeapot},
		{http.MethodPost, random + ".b", http.StatusTeapot},
		{http.MethodOptions, random + ".b", http.StatusNoContent}, // asks for no session
		{http.MethodGet, random + ".c", http.StatusBadRequest},    // is gone
		{http.MethodGet, random + ".", http.StatusBadRequest},
		{http.MethodGet, random, http.StatusBadRequest}, // an id of this node would have the node's name
	} {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), c.method, r.url("http", "EIO=4&transport=polling&sid="+c.sid), http.NoBody))
		res := must[*http.Response](t)(r.web.Client().Do(req))
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %q: %d, want %d", c.method, c.sid, res.StatusCode, c.status)
		}
	}
	if _, err := r.tryWS("sid=" + random + ".b"); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("a WebSocket: %v", err)
	}
	if want := []string{"GET b", "POST b", "GET c", "GET b"}; !slices.Equal(o.asked, want) {
		t.Errorf("asked %q, want %q", o.asked, want)
	}
	c := r.dialWS(t, own.SID()) // a node upgrades its own sessions itself
	check(t, own.upgrade(c))
}
