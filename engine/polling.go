package engine

import (
	"errors"
	"mime"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// longPoll is a session's long-polling transport. Session.mu guards it.
type longPoll struct {
	s       *Session // fixed
	get     *pendingGET
	post    *pendingPOST  // the POST that is handled now
	resumed chan struct{} // closed when a paused POST may go on; nil while none waits
}

// pendingGET is the request that waits for something to send. Session.mu guards the
// fields about its response.
type pendingGET struct {
	batch chan []*Frame            // one batch, the answer
	out   *http.ResponseController // of the response
	bytes int                      // bytes of the batch, while it is written
	cut   bool                     // the session does not wait for the client to take it
	hop   Hop                      // fixed: the hop that the request came through, or nil
}

// pendingPOST is the request whose packets are handled.
type pendingPOST struct {
	body *http.ResponseController // while the body is read
	cut  bool                     // the session ended meanwhile: the deadline spoilt the connection
	came atomic.Uint32            // how much of the body is there, in bytes
}

var closePollFrame = control(typeClose, "")

// pollBytes is what one answer holds at most, unless a single frame is larger. It
// bounds how much is out of the send queue, and so out of its limit, at a time.
const pollBytes = 1 << 20

// answerLocked gives what waits to the pending GET, if there is one and the client has
// taken the response before. A closing session sends its close packet in an answer of
// its own, as Node does: the client acts on it at once, before the messages that came
// in the same payload. Session.mu is held.
func (p *longPoll) answerLocked() {
	s := p.s
	if p.get == nil || s.sending != nil {
		return
	}
	switch {
	case !s.out.empty():
		s.sending, s.stall.since = p.get, 0
		s.sending.bytes = s.out.bytes
		batch := s.out.take(pollBytes, &s.srv.budget)
		s.sending.bytes -= s.out.bytes
		p.reply(batch)
	case s.current() == stateClosing && s.closing.left:
		s.closing.owed = false
		p.reply([]*Frame{noopFrame})
	case s.current() == stateClosing:
		p.reply([]*Frame{closePollFrame})
	}
}

func (p *longPoll) reply(batch []*Frame) {
	p.get.batch <- batch
	p.get = nil
}

// retire ends the transport after an upgrade. A client has its POST answered
// before it upgrades, so a POST that is still being read is discarded.
func (p *longPoll) retire() {
	if p.get != nil {
		p.reply([]*Frame{noopFrame})
	}
	p.resumePOST()
	if p.post != nil {
		p.post.cutOffLocked()
	}
}

// release frees all requests of a session that is gone.
func (p *longPoll) release() {
	if p.get != nil {
		p.reply([]*Frame{closePollFrame})
	}
	p.resumePOST()
	if p.post != nil {
		p.post.cutOffLocked()
	}
}

// cutOffLocked lets a body that is being read come to an end. Session.mu is
// held.
func (p *pendingPOST) cutOffLocked() {
	if p.body != nil {
		p.cut = true
		_ = p.body.SetReadDeadline(time.Unix(1, 0))
	}
}

func (p *longPoll) resumePOST() {
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// serveGET answers one poll: at once when something waits, else when it comes.
func (s *Session) serveGET(w http.ResponseWriter, r *http.Request) {
	g := &pendingGET{batch: make(chan []*Frame, 1), out: http.NewResponseController(w), hop: hopOf(r)}
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
		err = s.writeBatch(w, r, g, batch)
	} else {
		s.srv.refuse(w, r, codeBadRequest)
	}
	s.afterGET(g, batch, err)
}

// afterGET ends a session that lost frames with a response, or whose last frames have
// been sent. A NOOP may get lost: a client that upgrades may abort its GET.
func (s *Session) afterGET(g *pendingGET, batch []*Frame, err error) {
	for _, f := range batch {
		f.settle(err == nil)
	}
	switch {
	case err == nil || len(batch) == 1 && batch[0] == noopFrame:
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.fail(errOutboxAge)
	default:
		s.fail(errAbortedGET)
	}
	if batch[len(batch)-1] == closePollFrame {
		s.destroy()
	}
	s.taken(g, batch)
}

// taken ends the response of g. Frames that came meanwhile wait for the next GET.
func (s *Session) taken(g *pendingGET, batch []*Frame) {
	s.mu.Lock()
	s.tookLocked(g, batch)
	over := s.overLocked()
	s.mu.Unlock()
	if over {
		s.destroy()
	}
}

func (s *Session) tookLocked(g *pendingGET, batch []*Frame) {
	if s.sending != g {
		return
	}
	s.sending = nil
	for _, f := range batch {
		f.release()
	}
	p := s.longPollLocked()
	if p == nil {
		return
	}
	p.answerLocked()
	if !s.out.empty() && s.sending == nil {
		s.stalledLocked()
	}
}

// abortGETLocked gives up the response that is being written, if there is one.
func (s *Session) abortGETLocked() {
	if s.sending != nil && !s.sending.cut {
		s.sending.cut = true
		_ = s.sending.out.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (s *Session) beginGET(g *pendingGET) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.longPollLocked()
	switch {
	case p == nil || s.current() == stateClosed:
		return errNotPolling
	case p.get != nil:
		return errOverlapGET
	}
	p.get = g
	p.answerLocked()
	p.passOnLocked()
	return nil
}

// cancelGET withdraws g; it reports false when the answer is there already.
func (s *Session) cancelGET(g *pendingGET) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.longPollLocked(); p != nil && p.get == g {
		p.get = nil
		return true
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
	payload, release, err := s.readBody(w, r, post)
	defer release()
	switch {
	case errors.Is(err, errTooBig): // as Node
		s.fail(err)
		s.srv.answerText(w, r, http.StatusRequestEntityTooLarge, "")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.current() == stateOpen && s.Transport() == "polling":
		s.fail(errTooSlow)
		s.srv.answerText(w, r, http.StatusRequestTimeout, "")
	case err != nil && s.Transport() != "polling":
		s.srv.refuseFault(w, r, s, errNotPolling)
	case err != nil:
		s.srv.refuseFault(w, r, s, errAbortedPOST)
	default:
		s.takePOST(w, r, payload)
	}
}

func (s *Session) beginPOST(post *pendingPOST) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.longPollLocked()
	switch {
	case p == nil || s.current() != stateOpen:
		return errNotPolling
	case p.post != nil:
		return errOverlapPOST
	}
	p.post = post
	return nil
}

func (s *Session) endPOST(post *pendingPOST) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.longPollLocked(); p != nil && p.post == post {
		p.post = nil
	}
}

// readBody reads the whole body within the size limit and Config.MessageTimeout, which
// a body that keeps coming extends. The bytes read count for the session until release
// is called; release is never nil. A connection whose deadline has passed must not be
// used again, because net/http has cancelled the context of every later request on it,
// also those of other sessions. The deadline is not lifted either: net/http would wait
// for the rest of the body.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request, post *pendingPOST) (body []byte, release func(), err error) {
	rc := http.NewResponseController(w)
	in := &bodyReader{s: s, post: post, began: time.Now(), rc: rc, body: r.Body, limit: int(s.maxMessage.Load())}
	in.extend()
	s.setReading(post, rc)
	if r.ContentLength > int64(in.limit) {
		err = errTooBig
	} else {
		err = in.read()
	}
	if s.setReading(post, nil) || err != nil {
		w.Header().Set("Connection", "close")
		return in.got, in.release, err
	}
	_ = rc.SetReadDeadline(time.Time{})
	return in.got, in.release, nil
}

// setReading notes the request whose body is read, and reports whether it was cut.
func (s *Session) setReading(post *pendingPOST, body *http.ResponseController) (cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	post.body = body
	if s.longPollLocked() == nil || s.current() == stateClosed {
		post.cutOffLocked()
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
	p := s.longPollLocked()
	if !s.paused.Load() || p == nil || s.current() != stateOpen {
		s.mu.Unlock()
		return
	}
	resumed := make(chan struct{})
	p.resumed = resumed
	s.mu.Unlock()
	<-resumed
}
