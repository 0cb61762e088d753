package engine

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// writeBatch sends frames as the response of g, compressed when they are large and the client accepts that. They are
// written one by one, not joined: a client that does not read must not hold a copy of frames that all others share.
func (s *Session) writeBatch(w http.ResponseWriter, r *http.Request, g *pendingGET, batch []*Frame) error {
	s.srv.limitRest(w, r)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	length := payloadLength(batch)
	var err error
	if above := s.srv.cfg.CompressAbove; above >= 0 && length >= above && compressible(batch) && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		err = s.writeCompressed(w, g, batch)
	} else {
		h.Set("Content-Length", strconv.Itoa(length))
		err = writePayload(&responseWriter{w: w, s: s, g: g}, batch)
	}
	return errors.Join(err, flush(g.out))
}

// compressible reports whether no frame of the batch must stay uncompressed: the size of a compressed batch tells what
// its frames have in common.
func compressible(batch []*Frame) bool {
	return !slices.ContainsFunc(batch, func(f *Frame) bool { return f.plain })
}

// writeCompressed compresses first and then writes, so that no compressor waits for a client.
func (s *Session) writeCompressed(w http.ResponseWriter, g *pendingGET, batch []*Frame) error {
	b, err := s.srv.compress(batch)
	if err != nil {
		return err
	}
	s.srv.budget.add(int64(cap(b)))
	defer s.srv.budget.add(-int64(cap(b)))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, err = (&responseWriter{w: w, s: s, g: g}).Write(b)
	return err
}

// compress borrows its writer. A writer takes hundreds of kilobytes, so there are only a few; a caller that finds none
// waits for one to come back, which does not depend on any client.
func (srv *Server) compress(batch []*Frame) ([]byte, error) {
	z := <-srv.gzips
	defer func() { srv.gzips <- z }()
	if z == nil {
		z = gzip.NewWriter(nil)
	}
	var b bytes.Buffer
	z.Reset(&b)
	err := writePayload(z, batch)
	err = errors.Join(err, z.Close())
	z.Reset(nil) // lets go of the buffer
	return b.Bytes(), err
}

// responseWriter writes a response in portions and gives the client
// Config.OutboxAge for each.
type responseWriter struct {
	w    http.ResponseWriter
	s    *Session
	g    *pendingGET
	left int // of this portion
}

// writePortion is how much a client is to take within Config.OutboxAge, in bytes.
const writePortion = 64 << 10

// Write implements io.Writer.
func (w *responseWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		if w.left == 0 {
			w.s.deadline(w.g, time.Now().Add(w.s.srv.limits().OutboxAge))
			w.left = writePortion
		}
		var m int
		m, err = w.w.Write(b[n:min(len(b), n+w.left)])
		n += m
		w.left -= m
	}
	return n, err
}

// deadline limits the next write, unless the response was given up. net/http lifts it
// before the connection's next request.
func (s *Session) deadline(g *pendingGET, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !g.cut {
		_ = g.out.SetWriteDeadline(at)
	}
}

// flush makes the write happen now, so that its error is seen.
func flush(out *http.ResponseController) error {
	err := out.Flush()
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
