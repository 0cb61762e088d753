package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server/api"
	"gatehouse/server/glimpse"
	"gatehouse/server/internal/reply"
)

// pagePath is the operators' page, which their own listener has.
const pagePath = "/admin"

const (
	nowEvery     = time.Second      // time between two reports of the state
	behindEvery  = 5                // one report in so many lists the largest send queues, as that asks every socket
	streamWrites = 10 * time.Second // timeout of one write to a page
	mostLookers  = 32               // streams at a time
)

// lookers counts the streams to pages. The zero value has none.
type lookers struct {
	mu     sync.Mutex // guards what follows
	n      int
	closed bool
	group  sync.WaitGroup
}

func (l *lookers) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.n >= mostLookers {
		return false
	}
	l.n++
	l.group.Add(1)
	return true
}

func (l *lookers) end() {
	l.mu.Lock()
	l.n--
	l.mu.Unlock()
	l.group.Done()
}

// close waits for the open streams, whose requests have been ended.
func (l *lookers) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.group.Wait()
}

// pageRoutes are the routes that the page uses.
func (s *Server) pageRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pagePath+"/api/now", s.streamNow)
	mux.HandleFunc("GET "+pagePath+"/api/user", s.lookUp)
	mux.HandleFunc("GET "+pagePath+"/api/frames", s.streamFrames)
	return mux
}

// serveDoor answers whether a key is needed, so that the page need not try without
// one, which would count as a failure.
func (s *Server) serveDoor(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, map[string]bool{"key": s.inForce.Load().Admin.Key != ""})
}

// ownPage refuses requests of all pages but the operators' own. A key does so too, but
// a listener on this machine may have none.
func (s *Server) ownPage(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		foreign := site != "" && site != "none" && site != "same-origin"
		if origin := r.Header.Get("Origin"); origin != "" && origin != handshake.OwnOrigin(r.Host, r.TLS != nil) {
			foreign = true
		}
		if foreign {
			s.refuseHTTP(w, r, &handshake.Refusal{
				Code: handshake.CodeOriginForbidden, Message: "Only the operators' own page may use this.", Cause: errors.New("admin: request of a foreign page"),
			})
			return
		}
		h.ServeHTTP(w, r)
	})
}

// stream is an answer that goes on: server-sent events.
type stream struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	err error // error of the first write that failed
}

// stream begins an answer, or refuses it when there are too many.
func (s *Server) stream(w http.ResponseWriter) (*stream, bool) {
	if !s.lookers.begin() {
		reply.Refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "too many pages watch this server; close one")
		return nil, false
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, c: http.NewResponseController(w)}, true
}

// send writes an event. After the first failure it does nothing.
func (st *stream) send(event string, v any) {
	if st.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		st.err = err
		return
	}
	_ = st.c.SetWriteDeadline(time.Now().Add(streamWrites)) // only a test has a writer without deadlines
	if _, st.err = fmt.Fprintf(st.w, "event: %s\ndata: %s\n\n", event, text); st.err == nil {
		st.err = st.c.Flush()
	}
}

// streamNow sends the state every second, and the rest when it changes.
func (s *Server) streamNow(w http.ResponseWriter, r *http.Request) {
	st, ok := s.stream(w)
	if !ok {
		return
	}
	defer s.lookers.end()
	tick := time.NewTicker(nowEvery)
	defer tick.Stop()
	news, told := newsOf{srv: s}, ""
	for n := 0; st.err == nil; n++ {
		st.send("now", s.now())
		if n%behindEvery == 0 {
			st.send("behind", s.mostBehind())
		}
		if text := news.text(); text != told {
			st.send("lately", json.RawMessage(text))
			told = text
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// newsOf keeps the last state, so that unchanged parts are not copied again.
type newsOf struct {
	srv  *Server
	seen uint64
	last lateNews
}

func (n *newsOf) text() string {
	if refusals, cuts, changes := n.srv.lately.since(n.seen); refusals != nil {
		n.last.Refusals, n.last.Cuts, n.seen = refusals, cuts, changes
	}
	n.last.Revocations = n.srv.newestRevocations()
	text, _ := json.Marshal(n.last) // texts, numbers and times: cannot fail
	return string(text)
}

// lookUp answers with the sockets of a user, as the interface for back ends does, and
// logs the request.
func (s *Server) lookUp(w http.ResponseWriter, r *http.Request) {
	subject := r.URL.Query().Get("subject")
	if subject == "" {
		reply.Refuse(w, http.StatusBadRequest, api.CodeBadRequest, "subject: is missing")
		return
	}
	s.log.Info("an operator looked up a user", slog.String("user", subject), slog.Any("operator", s.clientAddr(r)))
	q := r.Clone(r.Context())
	q.URL = &url.URL{Path: apiPath + "users/" + subject, RawPath: apiPath + "users/" + url.PathEscape(subject)}
	s.api.Serve(w, q, api.Operator())
}

// watched is the first event of a look at a socket.
type watched struct {
	Socket    string    `json:"socket"`
	Namespace string    `json:"namespace"`
	User      string    `json:"user"`
	Transport string    `json:"transport"`
	Until     time.Time `json:"until"`
}

// streamFrames shows the frames of a socket of this node as they come, for a limited
// time, and logs the operator.
func (s *Server) streamFrames(w http.ResponseWriter, r *http.Request) {
	socket, c, ok := s.chosen(r)
	if !ok {
		reply.Refuse(w, http.StatusNotFound, api.CodeNotFound, "this node has no such socket: it has ended, or another node has it")
		return
	}
	st, ok := s.stream(w)
	if !ok {
		return
	}
	defer s.lookers.end()
	ctx, cancel := context.WithTimeout(r.Context(), s.inForce.Load().Admin.Frames)
	defer cancel()
	fields := []any{
		slog.String("socket", socket.ID()), slog.String("namespace", socket.Namespace().Name()), slog.String("user", socket.Identity().Subject),
		slog.Any("operator", s.clientAddr(r)),
	}
	s.log.Info("an operator watches the frames of a socket", fields...)
	view := glimpse.NewView(socket.Namespace().Name())
	c.views.Add(view)
	defer c.views.Remove(view)
	until, _ := ctx.Deadline()
	st.send("begin", watched{
		Socket: socket.ID(), Namespace: socket.Namespace().Name(), User: socket.Identity().Subject, Transport: socket.Transport(), Until: until,
	})
	why := showFrames(ctx, st, view, socket)
	st.send("end", map[string]string{"reason": why})
	s.log.Info("the operator has stopped watching", append(fields, slog.String("reason", why))...)
}

// chosen finds the socket that a request names, on this node.
func (s *Server) chosen(r *http.Request) (*namespaces.Socket, *conn, bool) {
	q := r.URL.Query()
	ns, ok := s.hub.Namespace(q.Get("namespace"))
	if !ok {
		return nil, nil, false
	}
	socket, ok := ns.Socket(q.Get("socket"))
	if !ok {
		return nil, nil, false
	}
	c, ok := socket.Conn().(*conn)
	return socket, c, ok
}

// showFrames goes on until the time is up ("time"), the socket has ended ("socket") or
// the page is gone ("page").
func showFrames(ctx context.Context, st *stream, view *glimpse.View, socket *namespaces.Socket) string {
	look := time.NewTicker(nowEvery)
	defer look.Stop()
	for {
		select {
		case m := <-view.Messages():
			for _, one := range view.Describe(m) {
				st.send("frame", one)
			}
		case <-look.C:
			if !socket.Connected() && len(view.Messages()) == 0 {
				return "socket"
			}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return "time"
			}
			return "page"
		}
		if st.err != nil {
			return "page"
		}
	}
}
