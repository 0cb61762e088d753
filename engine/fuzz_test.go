package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// FuzzPayload decodes bodies that a client may POST; a decoded payload that is
// encoded again decodes to the same.
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
// In any case the owner is told of the end once and hears nothing after it, and
// the server serves the next client.
func FuzzSession(f *testing.F) {
	f.Add([]byte{0}, true)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false)
	f.Add([]byte{9, 0, 10, 0, 0, 3}, false)
	f.Add([]byte{9, 10, 11, 0, 1, 12, 0, 13}, true)
	f.Add([]byte{9, 0, 0, 14, 9, 10, 0, 12}, false)
	r := newRig(f, Config{Limits: Limits{CloseTimeout: 10 * time.Millisecond, UpgradeTimeout: 50 * time.Millisecond, MaxPayload: 10_000}})
	p := newRig(f, Config{Limits: Limits{CloseTimeout: 10 * time.Millisecond, UpgradeTimeout: 50 * time.Millisecond, MaxPayload: 10_000}, Portable: true})
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
	poll pollClient
	ws   net.Conn // the transport or a probe
}

func (w *walker) open(websocket bool) {
	w.poll = w.rig.newPoller(w.t)
	w.poll.HTTP = w.rig.web.Client() // one for all steps, as fuzzing would use up the ports otherwise
	if websocket {
		w.dial("")
	} else {
		check(w.t, w.poll.Open())
	}
	w.side = w.rig.opened.next(w.t)
}

func (w *walker) dial(query string) {
	if w.ws != nil {
		return
	}
	if c, err := w.rig.tryWS(query); err == nil {
		w.ws = c.Conn
		go func() { _, _ = io.Copy(io.Discard, c.In) }()
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
		w.dial("sid=" + w.poll.SID())
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
	case n < 24 && n > 16 && w.poll.SID() != "":
		w.side.Resume() // or the POST would wait
		_, _, _ = w.poll.post(posts[n-17])
	case n == 24 && w.poll.SID() != "":
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
