package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// recorder is a frameSink that writes down what it is told.
type recorder struct{ log []string }

func (r *recorder) message(binary bool, payload []byte) error {
	r.log = append(r.log, fmt.Sprintf("%t %q", binary, payload))
	return nil
}

func (r *recorder) control(op ws.OpCode, payload []byte) error {
	r.log = append(r.log, fmt.Sprintf("%d %q", op, payload))
	return nil
}

func (r *recorder) stopped() bool { return false }

// pausing is a frameSink that asks for a stop after each message.
type pausing struct {
	recorder
	stop bool
}

func (p *pausing) message(binary bool, payload []byte) error {
	p.stop = true
	return p.recorder.message(binary, payload)
}

func (p *pausing) stopped() bool { return p.stop }

// FuzzFrameReader cuts the same bytes in different places: what comes out must
// be the same, and what is kept stays within the limit.
func FuzzFrameReader(f *testing.F) {
	const max = 1 << 12
	long := clientFrame(ws.OpBinary, make([]byte, 300))
	f.Add(clientFrame(ws.OpText, []byte("4hello")), []byte{1, 2})
	f.Add(append(fragment(ws.OpText, false, "4a"), fragment(ws.OpContinuation, true, "b")...), []byte{3})
	f.Add(append(clientFrame(ws.OpPing, []byte("p")), long...), []byte{7, 0, 1})
	f.Add(header(0x81, true, 1<<62), []byte{1})
	f.Add([]byte{0x81, 0x80, 0, 0, 0, 0, 0x88, 0x82, 1, 2, 3, 4, 2, 234}, []byte{5})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		sameHeader(t, data)
		var whole, cut recorder
		var a, b frameReader
		wantErr := a.feed(bytes.Clone(data), max, &whole)
		gotErr := feedInPieces(t, &b, data, cuts, max, &cut)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(cut.log, gotErr) {
			t.Fatalf("whole: %q %v\nin pieces: %q %v", whole.log, wantErr, cut.log, gotErr)
		}
		var p pausing
		var c frameReader
		err := feedWithPauses(&c, data, max, &p)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(p.log, err) {
			t.Fatalf("whole: %q %v\nwith pauses: %q %v", whole.log, wantErr, p.log, err)
		}
	})
}

// sameHeader holds our reading of a header against the library's.
func sameHeader(t *testing.T, data []byte) {
	want, err := ws.ReadHeader(bytes.NewReader(data))
	got, size := readHeader(data)
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		if got.Length >= 0 {
			t.Fatalf("length %d", got.Length)
		}
	case (err == nil) != (size > 0), err == nil && got != want:
		t.Fatalf("read %+v of %d bytes, want %+v, %v", got, size, want, err)
	}
}

func feedInPieces(t *testing.T, r *frameReader, data, cuts []byte, max int, sink frameSink) error {
	data = bytes.Clone(data)
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		if err := r.feed(data[:n], max, sink); err != nil {
			return err
		}
		if kept := len(r.partial) + len(r.message); kept > 2*max+ws.MaxHeaderSize {
			t.Fatalf("%d bytes kept", kept)
		}
		data = data[n:]
	}
	return nil
}

func feedWithPauses(r *frameReader, data []byte, max int, p *pausing) error {
	err := r.feed(bytes.Clone(data), max, p)
	for err == nil && p.stop {
		p.stop = false
		err = r.feed(nil, max, p)
	}
	return err
}

// FuzzPayload decodes what a client may POST, and what was decoded comes back
// from its encoding.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"4hello", "4a\x1e4b", "bAQID", "4\x1eb\x1e3", "", "\x1e", "b!", "4\xff", "bAQ==\x1ebAQ=", "1", "2probe"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		first, err := decode(payload)
		if err != nil {
			return
		}
		again, err := decode(payloadOf(first))
		if err != nil {
			t.Fatalf("%q does not come back: %v", payload, err)
		}
		if a, b := wire(first), wire(again); a != b {
			t.Fatalf("%q became %q", a, b)
		}
	})
}

func decode(payload []byte) (frames []*Frame, err error) {
	err = eachPacket(bytes.Clone(payload), func(kind byte, data []byte) error {
		if kind == typeBinary {
			frames = append(frames, NewBinaryFrame(bytes.Clone(data)))
			return nil
		}
		frames = append(frames, control(kind, string(data)))
		return nil
	})
	return frames, err
}

func payloadOf(frames []*Frame) []byte {
	var b bytes.Buffer
	_ = writePayload(&b, frames)
	if b.Len() != payloadLength(frames) {
		panic("payloadLength is wrong")
	}
	return b.Bytes()
}

func wire(frames []*Frame) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "%c %q %q\n", f.kind, f.text, f.attachments)
	}
	return b.String()
}

// FuzzSession lets a client do what the input says, step by step, legal or not.
// Whatever it does: the owner is told of the end once, hears nothing behind it,
// and the server serves the next client.
func FuzzSession(f *testing.F) {
	f.Add([]byte{0}, true)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false)
	f.Add([]byte{9, 0, 10, 0, 0, 3}, false)
	f.Add([]byte{9, 10, 11, 0, 1, 12, 0, 13}, true)
	f.Add([]byte{9, 0, 0, 14, 9, 10, 0, 12}, false)
	r := newRig(f, Config{CloseTimeout: 10 * time.Millisecond, UpgradeTimeout: 50 * time.Millisecond, MaxPayload: 10_000})
	p := newRig(f, Config{CloseTimeout: 10 * time.Millisecond, UpgradeTimeout: 50 * time.Millisecond, MaxPayload: 10_000, Portable: true})
	f.Fuzz(func(t *testing.T, steps []byte, portable bool) {
		r := r
		if portable {
			r = p
		}
		w := &walker{t: t, rig: r}
		w.open(len(steps) > 0 && steps[0]&0x80 != 0)
		for _, step := range steps[:min(len(steps), 40)] {
			w.step(step & 0x7f)
		}
		w.leave()
	})
}

// walker is a client that takes fuzzed steps.
type walker struct {
	t    *testing.T
	rig  *rig
	side *side
	poll *pollClient
	ws   net.Conn // the transport or a probe
}

func (w *walker) open(websocket bool) {
	w.poll = &pollClient{http: w.rig.web.Client(), url: w.rig.url("http", "EIO=4&transport=polling")}
	if websocket {
		w.dial("EIO=4&transport=websocket")
	} else {
		p, err := w.poll.next()
		check(w.t, err)
		w.poll.sid = sidOf(w.t, p.data)
		w.poll.url += "&sid=" + w.poll.sid
	}
	w.side = w.rig.opened.next(w.t)
}

func (w *walker) dial(query string) {
	if w.ws != nil {
		return
	}
	if c, err := w.rig.tryWS(query); err == nil {
		w.ws = c.conn
		go func() { _, _ = io.Copy(io.Discard, c.in) }()
	}
}

var walks = [][]byte{
	clientFrame(ws.OpText, []byte("4message")),
	clientFrame(ws.OpText, []byte("3")),
	clientFrame(ws.OpText, []byte("2")),
	clientFrame(ws.OpBinary, []byte{0, 1, 2}),
	clientFrame(ws.OpPing, []byte("ping")),
	fragment(ws.OpText, false, "4part"),
	fragment(ws.OpContinuation, true, "part"),
	clientFrame(ws.OpClose, binary.BigEndian.AppendUint16(nil, 1000)),
	{0x81, 0xff, 0xff},
}

var posts = []string{"4message", "4a\x1e3\x1ebAQID", "2", "", "9", "3", "1"}

func (w *walker) step(n byte) {
	switch n := int(n); {
	case n < len(walks):
		if w.ws != nil {
			_, _ = w.ws.Write(walks[n])
		}
	case n == 9:
		w.dial("EIO=4&transport=websocket&sid=" + w.poll.sid)
	case n == 10, n == 11:
		if w.ws != nil {
			_, _ = w.ws.Write(clientFrame(ws.OpText, []byte([]string{"2probe", "5"}[n-10])))
		}
	case n == 12:
		_ = w.side.Send(NewFrame([]byte("down"), [][]byte{{1}}))
	case n == 13:
		w.side.Pause()
	case n == 14:
		w.side.Resume()
	case n == 15:
		w.side.Session.Close(CodeNormal, "fuzz")
	case n == 16 && w.ws != nil:
		_ = w.ws.Close()
	case n < 24 && n > 16 && w.poll.sid != "":
		w.side.Resume() // or the POST would wait
		_, _, _ = w.poll.post(posts[n-17])
	case n == 24 && w.poll.sid != "":
		_ = w.side.Send(NewFrame([]byte("down"), nil)) // or the GET would wait
		_, _, _ = w.poll.get()
	}
}

// leave ends the session and checks that its owner was told, once and last.
func (w *walker) leave() {
	w.side.Session.Close(CodeNormal, "end")
	await(w.t, w.side.closed)
	w.side.awaitState(w.t, func() bool { return w.side.current() == stateClosed })
	if w.ws != nil {
		_ = w.ws.Close()
	}
	w.side.in.Lock()
	defer w.side.in.Unlock()
	if w.side.ends != 1 {
		w.t.Fatalf("told of the end %d times", w.side.ends)
	}
	for m, ok := w.side.got.pop(); ok; m, ok = w.side.got.pop() {
		if strings.HasPrefix(m.data, "AFTER CLOSE") {
			w.t.Fatalf("%q", m)
		}
	}
}
