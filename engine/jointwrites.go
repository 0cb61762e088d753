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

// jointWrite is one turn of one connection.
type jointWrite struct {
	conn   *websocket
	socket jointSocket
	wire   []byte // what goes to the socket
	length int    // of what was gathered for it
	whole  int    // frames that this completes
}

// jointSocket is a stream that others write for.
type jointSocket interface {
	stream
	// lend returns the socket and the bytes to write to it for b; where those are not
	// b itself, they are appended to room. The socket stays open until conclude.
	// false says that it is closed.
	lend(b, room []byte) (fd int, wire []byte, ok bool)
	// conclude takes the result of writing wire: the number of bytes, or a
	// negative errno. It returns what tryWrite would have for b.
	conclude(b int, wire []byte, result int) (n int, err error)
}

// written tells what a send's result means: all but EIO says that nothing was written.
func written(result int) (n int, err error) {
	switch err := syscall.Errno(-result); {
	case result >= 0:
		return result, nil
	case errors.Is(err, syscall.EAGAIN):
		return 0, nil
	default:
		return 0, err
	}
}

// newJointWrites returns nil where the system has no such call, or denies it, and
// says so once.
func (srv *Server) newJointWrites() *jointWrites {
	if srv.epoll == nil || srv.cfg.NoIOUring {
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

// flushJointly is flush for several connections: what each has to write goes out in
// one call, as far as that has room.
func (f *flusher) flushJointly(conns []*websocket) {
	for _, c := range conns {
		if c.enlisted || cap(f.scratch)-len(f.scratch) < flushBytes {
			f.submit()
		}
		if f.joint == nil { // it has failed
			f.flush(c)
		} else {
			f.enlist(c)
		}
	}
	f.submit()
}

// enlist puts what c has to write into the next submit.
func (f *flusher) enlist(c *websocket) {
	b, whole := f.gather(c)
	if len(b) == 0 {
		return
	}
	socket, ok := c.stream.(jointSocket)
	if !ok || socket.pending() {
		if _, ok := f.write(c, b, whole); ok {
			f.flush(c)
		}
		return
	}
	f.keep(b)
	fd, wire, ok := socket.lend(b, f.scratch[len(f.scratch):])
	if !ok {
		c.s.streamFailed(net.ErrClosed)
		return
	}
	f.keep(wire)
	c.enlisted = true
	f.joint.ring.add(fd, wire)
	f.joint.turns = append(f.joint.turns, jointWrite{conn: c, socket: socket, wire: wire, length: len(b), whole: whole})
}

// keep protects b until submit, if it stands behind what scratch keeps already.
func (f *flusher) keep(b []byte) {
	free := f.scratch[len(f.scratch):cap(f.scratch)]
	if len(b) > 0 && len(free) > 0 && &b[0] == &free[0] {
		f.scratch = f.scratch[:len(f.scratch)+len(b)]
	}
}

// submit writes what is enlisted, and gives each connection the rest of its turn.
func (f *flusher) submit() {
	if f.joint == nil || len(f.joint.turns) == 0 {
		f.scratch = f.scratch[:0]
		return
	}
	turns := f.joint.turns
	f.joint.turns = turns[:0]
	results, err := f.joint.ring.submit()
	if err != nil {
		turns[0].conn.s.srv.cfg.Logger.Warn("io_uring has failed; each connection is written by a call of its own", slog.Any("error", err))
		f.joint.ring.close()
		f.joint = nil
	}
	for i := range turns {
		t := &turns[i]
		t.conn.enlisted = false
		n, err := t.socket.conclude(t.length, t.wire, int(results[i]))
		if !f.concluded(t.conn, t.whole, n, t.length, err) {
			t.conn = nil
		}
	}
	f.scratch = f.scratch[:0] // not earlier: what was not sent now is sent from there
	for _, t := range turns {
		if t.conn != nil {
			f.flush(t.conn)
		}
	}
	clear(turns)
}
