package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/wiretest"
)

func TestAnOfferOfCompressionIsAnsweredOrDeclined(t *testing.T) {
	const none, both = "; server_no_context_takeover; client_no_context_takeover", ""
	for _, c := range []struct {
		takeover     Takeover
		offer, reply string
	}{
		{TakeoverNone, "permessage-deflate", "permessage-deflate" + none},
		{TakeoverNone, "permessage-deflate; client_max_window_bits", "permessage-deflate" + none},
		{TakeoverBoth, "permessage-deflate", "permessage-deflate" + both},
		{TakeoverBoth, "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=12"},
		{TakeoverBoth, "permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"},
		{TakeoverBoth, `Permessage-Deflate ; Client_Max_Window_Bits = "10"`, "permessage-deflate; client_max_window_bits=10"},
		{TakeoverBoth, "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
		{TakeoverBoth, "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
		{TakeoverServer, "permessage-deflate", "permessage-deflate; client_no_context_takeover"},
		{TakeoverClient, "permessage-deflate", "permessage-deflate; server_no_context_takeover"},
		{TakeoverNone, "permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_no_context_takeover; server_max_window_bits=15; client_no_context_takeover"},
		{TakeoverNone, "permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate" + none},
		{TakeoverNone, "x-other, permessage-deflate", "permessage-deflate" + none},
		{TakeoverNone, "", ""},
		{TakeoverNone, "x-webkit-deflate-frame", ""},
		{TakeoverNone, "permessage-deflate; server_max_window_bits=10", ""},
		{TakeoverNone, "permessage-deflate; server_max_window_bits", ""},
		{TakeoverNone, "permessage-deflate; client_max_window_bits=16", ""},
		{TakeoverNone, "permessage-deflate; client_max_window_bits=010", ""},
		{TakeoverNone, "permessage-deflate; client_max_window_bits=+9", ""},
		{TakeoverNone, "permessage-deflate; client_max_window_bits=", ""},
		{TakeoverNone, "permessage-deflate; client_no_context_takeover=1", ""},
		{TakeoverNone, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{TakeoverNone, "permessage-deflate; unknown", ""},
		{TakeoverNone, "permessage-deflate;", ""},
		{TakeoverNone, strings.Repeat("x,", maxOffers) + "permessage-deflate", ""},
	} {
		d := Config{Deflate: Deflate{Enabled: true, Takeover: c.takeover}}.withDefaults().Deflate
		got := d.agree(http.Header{"Sec-Websocket-Extensions": {c.offer}})
		if got.answer != c.reply || got.on != (c.reply != "") {
			t.Errorf("%s, %q: answered %q, want %q", c.takeover, c.offer, got.answer, c.reply)
		}
	}
	if (Deflate{}).agree(http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}}).on {
		t.Error("agreed although it is off")
	}
}

func TestDeflateIsChecked(t *testing.T) {
	for _, d := range []Deflate{{Level: 10}, {Level: -1}, {Window: 8}, {Window: 16}, {Threshold: -1}, {Takeover: "some"}} {
		if _, err := New(Config{Deflate: d}, nil); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
}

// zipped is a client that compresses, over a WebSocket.
type zipped struct {
	wsClient
	answer   string
	up, down []byte // the bytes that messages may refer to, with takeover
}

const offered = "permessage-deflate; client_max_window_bits"

func (r *rig) dialZipped(t testing.TB, query string) *zipped {
	t.Helper()
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	t.Cleanup(func() { _ = conn.Close() })
	_, err := io.WriteString(conn, wiretest.Opening(query, "Sec-WebSocket-Extensions: "+offered+"\r\n"))
	check(t, err)
	in := bufio.NewReader(conn)
	res := must[*http.Response](t)(http.ReadResponse(in, nil))
	return &zipped{wsClient: byHand(conn, in), answer: res.Header.Get("Sec-WebSocket-Extensions")}
}

// deflated compresses as a client does.
func deflated(t testing.TB, past, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := must[*flate.Writer](t)(flate.NewWriterDict(&b, 6, past))
	_, _ = w.Write(text)
	_ = w.Flush()
	return b.Bytes()[:b.Len()-4]
}

// compressedFrame is a masked frame with the first reserved bit.
func compressedFrame(op ws.OpCode, fin bool, data []byte) []byte {
	f := ws.NewFrame(op, fin, data)
	f.Header.Rsv = 4
	return must2(ws.CompileFrame(ws.MaskFrame(f)))
}

func must2(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func (z *zipped) sendZipped(t testing.TB, text string) {
	t.Helper()
	plain := []byte("4" + text)
	check(t, z.Write(compressedFrame(ws.OpText, true, deflated(t, z.up, plain))))
	if !strings.Contains(z.answer, "client_no_context_takeover") {
		z.up = rfc6455.Slide(z.up, plain, 1<<12)
	}
}

// nextMessage returns what comes next and its length on the wire.
func (z *zipped) nextMessage(t testing.TB) (text string, length int, compressed bool) {
	t.Helper()
	f := must[ws.Frame](t)(z.NextFrame())
	if f.Header.Rsv == 0 {
		return string(f.Payload), len(f.Payload), false
	}
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(f.Payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), z.down)
	plain := must[[]byte](t)(io.ReadAll(r))
	if !strings.Contains(z.answer, "server_no_context_takeover") {
		z.down = rfc6455.Slide(z.down, plain, 1<<15)
	}
	return string(plain), len(f.Payload), true
}

// The last packet of an upgrade and a large message come in one read. While the
// packet waits to be unpacked, the bytes behind it must not be taken for too large
// a probe.
func TestACompressedUpgradeAndAMessageInOneRead(t *testing.T) {
	r := newRig(t, Config{Deflate: Deflate{Enabled: true, Takeover: TakeoverClient}})
	p := r.dialPolling(t)
	s := r.opened.next(t)
	z := r.dialZipped(t, "&sid="+p.SID())
	check(t, z.Write(compressedFrame(ws.OpText, true, deflated(t, nil, []byte("2probe")))))
	if got, _, _ := z.nextMessage(t); got != "3probe" {
		t.Fatal(got)
	}
	text := make([]byte, 4<<10)
	for i := range text {
		text[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	both := append(compressedFrame(ws.OpText, true, deflated(t, nil, []byte("5"))),
		compressedFrame(ws.OpText, true, deflated(t, nil, append([]byte("4"), text...)))...)
	check(t, z.Write(both))
	if got := s.got.next(t); got.data != string(text) {
		t.Errorf("%.40q", got.data)
	}
}

// zippedly runs test for each choice of takeover on each path.
func zippedly(t *testing.T, cfg Config, test func(t *testing.T, r *rig, z *zipped, s *side)) {
	for _, takeover := range []Takeover{TakeoverNone, TakeoverServer, TakeoverClient, TakeoverBoth} {
		cfg.Deflate.Enabled, cfg.Deflate.Takeover = true, takeover
		onPaths(t, cfg, func(t *testing.T, cfg Config) {
			t.Run(string(takeover), func(t *testing.T) {
				r := newRig(t, cfg)
				z := r.dialZipped(t, "")
				z.expectOpen(t)
				test(t, r, z, r.opened.next(t))
			})
		})
	}
}

// talk is a text of about 2 KB, as an application sends.
func talk(n int) string {
	return fmt.Sprintf("%06d", n) + strings.Repeat(fmt.Sprintf(`{"id":%d,"room":"general","text":"hello"},`, n), 50)
}

func TestCompressedMessagesPassBothWays(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		for n := range 50 {
			z.sendZipped(t, talk(n))
			check(t, z.send("plain between"))
			if m := s.got.next(t); m.data != talk(n) {
				t.Fatalf("up: got %q", m)
			}
			if m := s.got.next(t); m.data != "plain between" {
				t.Fatalf("up: got %q", m)
			}
			check(t, s.Send(NewFrame([]byte(talk(n)), [][]byte{[]byte(talk(n + 1)), {1, 2}})))
			check(t, s.Send(NewFrame([]byte("small"), nil)))
			for i, want := range []string{"4" + talk(n), talk(n + 1), "\x01\x02", "4small"} {
				text, length, compressed := z.nextMessage(t)
				if text != want {
					t.Fatalf("down: got %.40q instead of %.40q", text, want)
				}
				if compressed != (i < 2) || compressed && length > len(text)/4 {
					t.Fatalf("down: %d of %d bytes, compressed: %t", length, len(text), compressed)
				}
			}
		}
		s.awaitState(t, func() bool { return s.out.empty() && s.srv.budget.held.Load() == 0 })
	})
}

func TestTakeoverMakesTheSecondMessageSmaller(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		var lengths [2]int
		for i := range lengths {
			check(t, s.Send(NewFrame([]byte(talk(1)), nil)))
			_, lengths[i], _ = z.nextMessage(t)
		}
		takeover := !strings.Contains(z.answer, "server_no_context_takeover")
		if smaller := lengths[1] < lengths[0]/2; smaller != takeover {
			t.Errorf("%v bytes with %q", lengths, z.answer)
		}
	})
}

func TestASlowReaderOfCompressedMessagesGetsThemInOrder(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		const many = 300
		noise := make([]byte, 8000) // cannot be made smaller
		for i := range noise {
			noise[i] = byte(i * i >> 3 * 31 >> 2)
		}
		for n := range many {
			check(t, s.Send(NewFrame([]byte(talk(n)), [][]byte{noise})))
		}
		for n := range many {
			if text, _, _ := z.nextMessage(t); text != "4"+talk(n) {
				t.Fatalf("got %.40q instead of %d", text, n)
			}
			if data, _, _ := z.nextMessage(t); data != string(noise) {
				t.Fatalf("the attachment of %d differs", n)
			}
		}
		s.awaitState(t, func() bool { return s.srv.budget.held.Load() == 0 })
	})
}

func TestASlowConsumerOfCompressedMessagesIsCut(t *testing.T) {
	zippedly(t, Config{Limits: Limits{OutboxBytes: 1 << 20, CloseTimeout: 50 * time.Millisecond}}, func(t *testing.T, r *rig, _ *zipped, s *side) {
		noise := make([]byte, 64<<10)
		for i, x := 0, uint32(1); i < len(noise); i++ {
			x = x*1664525 + 1013904223
			noise[i] = byte(x >> 24)
		}
		f := NewBinaryFrame(noise)
		for deadline := time.Now().Add(patience); s.Send(f) == nil; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatal("never cut")
			}
		}
		s.end(t, ReasonSlow)
		r.expectNothingHeld(t, s)
	})
}

func TestACloseComesBehindCompressedMessages(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		for n := range 100 {
			check(t, s.Send(NewFrame([]byte(talk(n)), nil)))
		}
		s.Session.Close(CodeNormal, "bye")
		for n := range 100 {
			if text, _, _ := z.nextMessage(t); text != "4"+talk(n) {
				t.Fatalf("got %.40q instead of %d", text, n)
			}
		}
		expectEnd(t, z.wsClient, CodeNormal, "bye")
	})
}

func TestAnUpgradeTakesCompressionAlong(t *testing.T) {
	onPaths(t, Config{Deflate: Deflate{Enabled: true, Takeover: TakeoverBoth}}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		p := r.dialPolling(t)
		s := r.opened.next(t)
		z := r.dialZipped(t, "&sid="+p.SID())
		check(t, p.upgrade(z.wsClient))
		z.sendZipped(t, talk(1))
		if m := s.got.next(t); m.data != talk(1) {
			t.Errorf("got %q", m)
		}
		check(t, s.Send(NewFrame([]byte(talk(2)), nil)))
		if text, _, compressed := z.nextMessage(t); text != "4"+talk(2) || !compressed {
			t.Errorf("got %.40q, compressed: %t", text, compressed)
		}
	})
}

func TestABroadcastIsCompressedOnce(t *testing.T) {
	r := newRig(t, Config{Deflate: Deflate{Enabled: true}})
	f := NewFrame([]byte(talk(1)), nil)
	var clients []*zipped
	for range 20 {
		clients = append(clients, r.dialZipped(t, ""))
		clients[len(clients)-1].expectOpen(t)
		check(t, r.opened.next(t).Send(f))
	}
	form := f.compressed.Load()
	for _, z := range clients {
		if text, _, _ := z.nextMessage(t); text != "4"+talk(1) {
			t.Errorf("got %.40q", text)
		}
		if form == nil {
			form = f.compressed.Load()
		}
		if f.compressed.Load() != form {
			t.Fatal("compressed again")
		}
	}
}
