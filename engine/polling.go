package engine

import (
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pollState is a session's long-polling transport. Session.mu guards it.
type pollState struct {
	get     *pendingGET
	post    *pendingPOST  // the POST that is handled now
	resumed chan struct{} // closed when a paused POST may go on; nil while none waits
}

// pendingGET is the request that waits for something to send.
type pendingGET struct {
	batch chan []*Frame // one batch, the answer
}

// pendingPOST is the request whose packets are handled.
type pendingPOST struct {
	body *http.ResponseController // while the body is read
	cut  bool                     // the session ended meanwhile: the deadline spoilt the connection
}

var closePollFrame = control(typeClose, "")

// pollBytes is what one answer holds at most, unless a single frame is larger.
// It bounds what is out of the outbox, and so out of its limit, at a time.
const pollBytes = 1 << 20

// answer gives what waits to the pending GET, if there is one. A closing session
// sends its close packet in an answer of its own, as Node does: the client acts
// on it at once, before the messages that came in the same payload.
// Session.mu is held.
func (p *pollState) answer(s *Session) {
	if p.get == nil {
		return
	}
	switch {
	case !s.out.empty():
		p.reply(s.out.take(pollBytes))
	case s.current() == stateClosing:
		p.reply([]*Frame{closePollFrame})
	}
}

func (p *pollState) reply(batch []*Frame) {
	p.get.batch <- batch
	p.get = nil
}

// retire ends the transport after an upgrade.
func (p *pollState) retire() {
	if p.get != nil {
		p.reply([]*Frame{noopFrame})
	}
	p.resumePOST()
}

// release frees all requests of a session that is gone.
func (p *pollState) release() {
	if p.get != nil {
		p.reply([]*Frame{closePollFrame})
	}
	p.resumePOST()
	if p.post != nil {
		p.post.cutOff()
	}
}

// cutOff lets a body that is being read come to an end. Session.mu is held.
func (p *pendingPOST) cutOff() {
	if p.body != nil {
		p.cut = true
		_ = p.body.SetReadDeadline(time.Unix(1, 0))
	}
}

func (p *pollState) resumePOST() {
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// serveGET answers one poll: at once when something waits, else when it comes.
func (s *Session) serveGET(w http.ResponseWriter, r *http.Request) {
	g := &pendingGET{batch: make(chan []*Frame, 1)}
	if err := s.beginGET(g); err != nil {
		s.srv.refuseFault(w, r, s, err)
		return
	}
	var batch []*Frame
	select {
	case batch = <-g.batch:
	case <-r.Context().Done():
		if s.cancelGET(g) {
			s.srv.refuseFault(w, r, s, errAbortedGET)
			return
		}
		batch = <-g.batch
	}
	err := r.Context().Err()
	if err == nil {
		err = s.writeBatch(w, r, batch)
	} else {
		s.srv.refuse(w, r, codeBadRequest)
	}
	s.afterGET(batch, err)
}

// afterGET ends a session that lost frames with a response, or whose last
// frames are out. A lost NOOP is no loss: who upgrades may abort its GET.
func (s *Session) afterGET(batch []*Frame, err error) {
	if err != nil && batch[0] != noopFrame {
		s.fail(errAbortedGET)
	}
	if batch[len(batch)-1] == closePollFrame {
		s.finish()
	}
}

func (s *Session) beginGET(g *pendingGET) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.poll == nil || s.current() == stateClosed:
		return errNotPolling
	case s.poll.get != nil:
		return errOverlapGET
	}
	s.poll.get = g
	s.poll.answer(s)
	return nil
}

// cancelGET withdraws g; it reports false when the answer is there already.
func (s *Session) cancelGET(g *pendingGET) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != nil && s.poll.get == g {
		s.poll.get = nil
		return true
	}
	return false
}

// writeBatch sends frames as the response.
func (s *Session) writeBatch(w http.ResponseWriter, r *http.Request, batch []*Frame) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.srv.cfg.PingInterval + s.srv.cfg.PingTimeout))
	err := s.srv.writePayload(w, r, joinPayload(batch))
	_ = rc.SetWriteDeadline(time.Time{}) // the connection serves other requests too
	return err
}

// writePayload writes a polling response, compressed when it is large and the
// client takes it.
func (srv *Server) writePayload(w http.ResponseWriter, r *http.Request, payload []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	if srv.cfg.CompressAbove >= 0 && len(payload) >= srv.cfg.CompressAbove && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		return errors.Join(srv.compress(w, payload), flush(w))
	}
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	_, err := w.Write(payload)
	return errors.Join(err, flush(w))
}

// compress borrows its writer: each new one would be hundreds of kilobytes.
func (srv *Server) compress(w io.Writer, payload []byte) error {
	z, ok := srv.gzips.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(nil)
	}
	defer srv.gzips.Put(z)
	z.Reset(w)
	_, err := z.Write(payload)
	err = errors.Join(err, z.Close())
	z.Reset(nil) // lets go of the request
	return err
}

// flush makes the write happen now, so that its error is seen.
func flush(w http.ResponseWriter) error {
	err := http.NewResponseController(w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as gzip is
// concerned.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.TrimSpace(params)
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

// servePOST takes the packets of one request. While reading is paused it holds
// the answer back, and with it the client.
func (s *Session) servePOST(w http.ResponseWriter, r *http.Request) {
	post := &pendingPOST{}
	if err := s.beginPOST(post); err != nil {
		s.srv.refuseFault(w, r, s, err)
		return
	}
	defer s.endPOST(post)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/octet-stream" {
		s.srv.refuseFault(w, r, s, errContentType)
		return
	}
	payload, err := s.readBody(w, r, post)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		// As Node: the request is refused, the session goes on.
		s.srv.answerText(w, r, http.StatusRequestEntityTooLarge, "")
	case err != nil:
		s.srv.refuseFault(w, r, s, errAbortedPOST)
	default:
		s.takePOST(w, r, payload)
	}
}

func (s *Session) beginPOST(post *pendingPOST) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.poll == nil || s.current() != stateOpen:
		return errNotPolling
	case s.poll.post != nil:
		return errOverlapPOST
	}
	s.poll.post = post
	return nil
}

func (s *Session) endPOST(post *pendingPOST) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != nil && s.poll.post == post {
		s.poll.post = nil
	}
}

// readBody reads the whole body within the size limit and the time that a ping
// has. A connection whose deadline passed must not be used again: net/http then
// has cancelled the context of every later request on it, of other sessions too.
// Nor is the deadline lifted: net/http would wait for the rest of the body.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request, post *pendingPOST) ([]byte, error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.srv.cfg.PingInterval + s.srv.cfg.PingTimeout))
	s.setReading(post, rc)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxMessage.Load()))
	if s.setReading(post, nil) || err != nil {
		w.Header().Set("Connection", "close")
		return body, err
	}
	_ = rc.SetReadDeadline(time.Time{})
	return body, nil
}

// setReading notes whose body is read, and reports whether it was cut.
func (s *Session) setReading(post *pendingPOST, body *http.ResponseController) (cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	post.body = body
	if s.current() == stateClosed {
		post.cutOff()
	}
	return post.cut
}

func (s *Session) takePOST(w http.ResponseWriter, r *http.Request, payload []byte) {
	err := eachPacket(payload, s.receiveOne)
	switch {
	case err == nil:
		s.srv.answerText(w, r, http.StatusOK, "ok")
	case errors.Is(err, errPeerClosed):
		s.fail(err)
		s.finish() // nothing more is asked for by who has said good-bye
		s.srv.answerText(w, r, http.StatusOK, "ok")
	default:
		s.srv.refuseFault(w, r, s, err)
	}
}

// receiveOne handles a packet of a POST when reading is not paused.
func (s *Session) receiveOne(kind byte, data []byte) error {
	s.waitResumed()
	s.in.Lock()
	defer s.in.Unlock()
	return s.receive(kind, data)
}

// waitResumed returns when reading goes on or the session ends.
func (s *Session) waitResumed() {
	if !s.paused.Load() {
		return
	}
	s.mu.Lock()
	if !s.paused.Load() || s.poll == nil || s.current() != stateOpen {
		s.mu.Unlock()
		return
	}
	resumed := make(chan struct{})
	s.poll.resumed = resumed
	s.mu.Unlock()
	<-resumed
}
