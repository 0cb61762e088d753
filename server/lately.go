package server

import (
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server/glimpse"
)

const (
	examplesOfACode = 5   // how many refusals are remembered for each code
	mostCodes       = 64  // how many codes have examples, an application's own included
	mostCuts        = 20  // how many slow consumers are remembered
	longestNote     = 300 // bytes of a text of an example
)

// lately remembers examples of the cases that operators ask about first: refused
// clients, and clients cut for being slow. A nil one remembers nothing.
type lately struct {
	mu       sync.Mutex // guards what follows; a leaf
	refusals map[string][]refusal
	cuts     []slowCut
	changes  uint64
}

// refusal is an example. It holds no credential.
type refusal struct {
	At        time.Time `json:"at"`
	Where     string    `json:"where"` // "connection", "namespace" or "request"
	Code      string    `json:"code"`
	Namespace string    `json:"namespace,omitempty"`
	Address   string    `json:"address,omitempty"`
	Origin    string    `json:"origin,omitempty"`
	Path      string    `json:"path,omitempty"`
	Message   string    `json:"message,omitempty"` // that the client got
	Cause     string    `json:"cause,omitempty"`   // for operators
}

// slowCut is a client that was cut because it did not read fast enough.
type slowCut struct {
	At         time.Time `json:"at"`
	User       string    `json:"user"`
	Address    string    `json:"address"`
	Namespaces []string  `json:"namespaces"`
	Cause      string    `json:"cause"`
}

func newLately(cfg Config) *lately {
	if !cfg.Admin.enabled() {
		return nil
	}
	return &lately{refusals: make(map[string][]refusal)}
}

func (l *lately) refused(one refusal) {
	for _, text := range []*string{&one.Origin, &one.Path, &one.Message, &one.Cause} {
		*text = shortened(glimpse.MaskText(*text)) // paths and origins are chosen by clients
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	of, known := l.refusals[one.Code]
	if !known && len(l.refusals) >= mostCodes {
		return
	}
	l.changes++
	l.refusals[one.Code] = lastOf(append(of, one), examplesOfACode)
}

// cut notes the end of a slow consumer.
func (l *lately) cut(c *conn, why engine.Close) {
	if l == nil || why.Reason != engine.ReasonSlow {
		return
	}
	one := slowCut{At: time.Now(), Address: c.Request().RemoteAddr.String()}
	if why.Err != nil {
		one.Cause = why.Err.Error()
	}
	c.used.mu.Lock()
	one.User, one.Namespaces = c.used.user, slices.Clone(c.used.namespaces)
	c.used.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	l.cuts = lastOf(append(l.cuts, one), mostCuts)
}

// since returns the examples if they have changed since the given count of changes,
// and the present count.
func (l *lately) since(seen uint64) (refusals map[string][]refusal, cuts []slowCut, changes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes == seen {
		return nil, nil, seen
	}
	refusals = make(map[string][]refusal, len(l.refusals))
	for code, some := range l.refusals {
		refusals[code] = slices.Clone(some)
	}
	return refusals, slices.Clone(l.cuts), l.changes
}

// lastOf keeps the last n.
func lastOf[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	return slices.Delete(all, 0, len(all)-n)
}

func shortened(text string) string {
	if len(text) <= longestNote {
		return text
	}
	return text[:longestNote] + "…"
}

// socketRefused remembers an admission that a namespace has refused.
func (l *lately) socketRefused(s *namespaces.Socket, err error) {
	r, why := s.Request(), handshake.AsRefusal(err)
	one := refusal{
		At: time.Now(), Where: "namespace", Code: string(why.Code), Namespace: s.Namespace().Name(),
		Address: r.RemoteAddr.String(), Origin: r.Origin, Message: why.Message,
	}
	if why.Cause != nil {
		one.Cause = why.Cause.Error()
	}
	l.refused(one)
}

// httpRefused counts a refused request, and remembers it: where is "connection" for
// those of Engine.IO, "request" for others.
func (s *Server) httpRefused(where string, r *http.Request, why *handshake.Refusal) {
	s.traces.refused(r, where, why.Code)
	if where == "connection" {
		s.metrics.refusedHandshake(why.Code)
	} else {
		s.metrics.refusedHTTP(why.Code)
	}
	if s.lately == nil {
		return
	}
	one := refusal{
		At: time.Now(), Where: where, Code: string(why.Code), Address: addressText(s.clientAddr(r)), Origin: r.Header.Get("Origin"), Path: r.URL.Path,
		Message: why.Message,
	}
	if why.Cause != nil {
		one.Cause = why.Cause.Error()
	}
	s.lately.refused(one)
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
