package engine

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gatehouse/internal/cors"
)

// Engine.IO's numbered errors; Node's server has the same.
const (
	codeUnknownTransport = 0
	codeUnknownSID       = CodeUnknownSession
	codeBadMethod        = 2
	codeBadRequest       = 3
	codeForbidden        = 4
	codeVersion          = 5
)

// CodeUnknownSession is the Engine.IO error of a request for a session that is not
// here: the session has ended, or another node has it.
const CodeUnknownSession = 1

// CodeAddressBusy tells Config.Refused of a handshake from an address that has spent
// AddressLimits. The answer itself has the status 429 and Engine.IO's error 4.
const CodeAddressBusy = 6

var codeMessages = [...]string{
	codeUnknownTransport: "Transport unknown",
	codeUnknownSID:       "Session ID unknown",
	codeBadMethod:        "Bad handshake method",
	codeBadRequest:       "Bad request",
	codeForbidden:        "Forbidden",
	codeVersion:          "Unsupported protocol version",
}

// refuse answers 400 with a numbered error.
func (srv *Server) refuse(w http.ResponseWriter, r *http.Request, code int) {
	if srv.cfg.Refused != nil {
		srv.cfg.Refused(r, code)
	}
	srv.refuseWith(w, r, &Refusal{Status: http.StatusBadRequest, Code: code, Message: codeMessages[code]})
}

func (srv *Server) refuseWith(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	srv.limitRest(w, r)
	srv.limitAnswer(w)
	h := w.Header()
	if refusal.RetryAfter > 0 {
		seconds := (refusal.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(refusal.Status)
	body, _ := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{refusal.Code, refusal.Message})
	_, _ = w.Write(body)
}

// limitRest limits how long an unread request body may take: net/http would read it
// to its end before it answers, however long that takes.
func (srv *Server) limitRest(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(srv.limits().CloseTimeout))
	}
}

// answerTimeout is how long a client may take to receive a short answer. It is
// longer than Config.CloseTimeout, because a process that a busy machine does not
// run for that long would miss its own deadline and lose the answer.
const answerTimeout = 10 * time.Second

// limitAnswer limits the writing of a short answer. net/http lifts that before the
// connection's next request.
func (srv *Server) limitAnswer(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(srv.answerTimeout))
}

// refuseFault answers a request that broke the rules of its session, and ends
// the session, unless the request came too late to be part of it.
func (srv *Server) refuseFault(w http.ResponseWriter, r *http.Request, s *Session, err error) {
	if !errors.Is(err, errNotPolling) {
		s.fail(err)
	}
	srv.refuse(w, r, codeBadRequest)
}

// answerText answers a POST. The type is text/html, as Node's: some browsers
// offered text/plain as a download.
func (srv *Server) answerText(w http.ResponseWriter, _ *http.Request, status int, text string) {
	srv.limitAnswer(w)
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// cors sets the headers that let a foreign page read answers, and answers
// preflights (https://fetch.spec.whatwg.org/#http-cors-protocol). It reports
// whether the request is done.
func (srv *Server) cors(w http.ResponseWriter, r *http.Request) bool {
	preflight := r.Method == http.MethodOptions
	origin := r.Header.Get("Origin")
	if origin != "" {
		w.Header().Add("Vary", "Origin")
		if srv.cfg.AllowOrigin != nil && srv.cfg.AllowOrigin(r) {
			cors.Allow(w.Header(), r, "GET, POST")
		}
	}
	if preflight {
		srv.limitRest(w, r)
		srv.limitAnswer(w)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusNoContent)
	}
	return preflight
}
