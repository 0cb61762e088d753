package engine

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
)

// jointWrites collects what a flusher writes to several connections, which then goes
// to the kernel in one call.
type jointWrites struct {
	ring  *sendRing
	turns []jointWrite
}

// jointWrite is one turn of one session.
type jointWrite struct {
	s      *Session
	conn   *websocket
	socket jointSocket
	b      []byte
	whole  int // frames that b completes
}

// jointSocket is a stream whose socket may be used by others than itself.
type jointSocket interface {
	stream
	// lend keeps the socket open until giveBack; false says that it is closed.
	lend() (fd int, ok bool)
	giveBack()
}

// newJointWrites returns nil where the system has no such call, or denies it, and
// says so once.
func (srv *Server) newJointWrites() *jointWrites {
	if srv.poller == nil || srv.cfg.NoIOUring {
		return nil
	}
	ring, err := newSendRing(sharedTurns)
	srv.ringTold.Do(func() {
		if err != nil {
			srv.cfg.Logger.Info("each connection is written by a call of its own: io_uring is not to be had", slog.Any("error", err))
			return
		}
		srv.cfg.Logger.Info("io_uring writes to several connections at once")
	})
	if err != nil {
		return nil
	}
	return &jointWrites{ring: ring, turns: make([]jointWrite, 0, sharedTurns)}
}

// jointBytes is what a flusher joins of frames for one call.
const jointBytes = 4 * flushBytes

func (f *flusher) endJoint() {
	if f.joint != nil {
		f.joint.ring.close()
	}
}

// flushJointly is flush for several sessions: what each has to write goes out in one
// call, as far as that has room.
func (f *flusher) flushJointly(sessions []*Session) {
	for _, s := range sessions {
		if cap(f.scratch)-len(f.scratch) < flushBytes {
			f.submit()
		}
		if f.joint == nil { // it has failed
			f.flush(s)
		} else {
			f.enlist(s)
		}
	}
	f.submit()
}

// enlist puts what s has to write into the next submit.
func (f *flusher) enlist(s *Session) {
	b, whole, conn := f.gather(s)
	if len(b) == 0 {
		return
	}
	socket, ok := conn.stream.(jointSocket)
	if !ok {
		if _, ok := f.write(s, conn, b, whole); ok {
			f.flush(s)
		}
		return
	}
	fd, ok := socket.lend()
	if !ok {
		s.streamFailed(net.ErrClosed)
		return
	}
	if whole > 1 && conn.context == nil {
		f.scratch = f.scratch[:len(f.scratch)+len(b)] // join left it there
	}
	f.joint.ring.add(fd, b)
	f.joint.turns = append(f.joint.turns, jointWrite{s: s, conn: conn, socket: socket, b: b, whole: whole})
}

// submit writes what is enlisted, and gives each session the rest of its turn.
func (f *flusher) submit() {
	if f.joint == nil || len(f.joint.turns) == 0 {
		return
	}
	turns := f.joint.turns
	f.joint.turns = turns[:0]
	results, err := f.joint.ring.submit()
	if err != nil {
		turns[0].s.srv.cfg.Logger.Warn("io_uring has failed; each connection is written by a call of its own", slog.Any("error", err))
		f.joint.ring.close()
		f.joint = nil
	}
	for i := range turns {
		turns[i].socket.giveBack()
		if !f.conclude(&turns[i], int(results[i])) {
			turns[i].s = nil
		}
	}
	f.scratch = f.scratch[:0] // no sooner: what was not sent is sent from there
	for _, t := range turns {
		if t.s != nil {
			f.flush(t.s)
		}
	}
	clear(turns)
}

// conclude handles what became of one turn, bytes written or a negative errno, and
// reports whether its session may go on.
func (f *flusher) conclude(t *jointWrite, result int) bool {
	err := error(syscall.Errno(-result))
	switch {
	case result >= 0:
		err = nil
	case errors.Is(err, syscall.EAGAIN):
		result, err = 0, nil
	case !errors.Is(err, syscall.EIO):
		result, err = t.conn.stream.tryWrite(t.b) // which says what is wrong, if anything is
	}
	return f.concluded(t.s, t.whole, result, len(t.b), err)
}
