package engine

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// early are limits for strangers as the binary sets them.
func early() Config {
	return Config{
		Early:  &Early{EarlyLimits: EarlyLimits{MaxPackets: 256}},
		Limits: Limits{CloseTimeout: 50 * time.Millisecond, MessageTimeout: time.Minute},
	}
}

func (h *side) endedEarly(t *testing.T) {
	t.Helper()
	if c := h.end(t, ReasonOverload); !errors.Is(c.Err, errEarly) {
		t.Errorf("ended because of %v", c.Err)
	}
}

func TestAStrangerMaySendSoMuch(t *testing.T) {
	cfg := early()
	for name, frame := range map[string][]byte{
		"PINGs":    clientFrame(ws.OpPing, make([]byte, 125)),
		"packets":  clientFrame(ws.OpText, []byte("4x")),
		"NOOPs":    clientFrame(ws.OpText, []byte("6")),
		"large":    clientFrame(ws.OpText, []byte("4"+strings.Repeat("x", 60_000))),
		"nothings": fragment(ws.OpContinuation, false, strings.Repeat("x", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			onPaths(t, cfg, func(t *testing.T, cfg Config) {
				r := newRig(t, cfg)
				w := r.dial(t, "websocket").(wsClient)
				s := r.opened.next(t)
				if name == "nothings" {
					check(t, w.Write(fragment(ws.OpText, false, "4")))
				}
				sent := goes(func() error {
					for w.Write(frame) == nil {
					}
					return nil
				})
				if name == "nothings" { // the message takes too long before it is too large
					s.end(t, ReasonTransportError, ReasonOverload)
				} else {
					s.endedEarly(t)
				}
				await(t, sent)
			})
		})
	}
	t.Run("POSTs", func(t *testing.T) {
		r := newRig(t, cfg)
		c := r.dialPolling(t)
		s := r.opened.next(t)
		for c.send("x") == nil {
		}
		s.endedEarly(t)
	})
}

func TestWhoIsAdmittedMaySendMore(t *testing.T) {
	cfg := early()
	cfg.CloseTimeout = 0 // this limits answers too, which a busy machine may not write at once
	everywhere(t, cfg, func(t *testing.T, c client, s *side) {
		s.Admit("", "ann")
		for n := range 300 {
			check(t, c.send(number(n)))
		}
		for n := range 300 {
			if m := s.got.next(t); m.data != number(n) {
				t.Fatalf("got %q", m)
			}
		}
	})
}

func TestLittleWaitsForAStranger(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, early())
			r.dial(t, transport)
			stranger := r.opened.next(t)
			r.dial(t, transport)
			user := r.opened.next(t)
			user.Admit("", "ann")
			for _, s := range []*side{stranger, user} {
				if transport != "polling" {
					s.block(t)
				}
				_ = s.Send(NewFrame(make([]byte, 40<<10), nil))
				_ = s.Send(NewFrame(make([]byte, 40<<10), nil))
			}
			if c := stranger.end(t, ReasonSlow); !errors.Is(c.Err, errOutboxFull) {
				t.Errorf("ended because of %v", c.Err)
			}
			if len(user.closed) > 0 {
				t.Error("the user was cut, too")
			}
		})
	}
}

func TestOnlyTheLastPingIsAnswered(t *testing.T) {
	s := &Session{srv: bare(), flusher: newFlusher(nil)}
	s.link = &websocket{s: s, stream: countingStream{}, blocked: true}
	for n := range 1000 {
		s.pong(pongFrame([]byte{byte(n)}))
	}
	if n := len(s.out.frames); n != 1 || s.out.bytes != s.out.frames[0].size() {
		t.Errorf("%d answers wait, %d bytes", n, s.out.bytes)
	}
	check(t, s.Send(NewFrame([]byte("x"), nil)))
	s.pong(pongFrame(nil))
	if n := len(s.out.frames); n != 3 {
		t.Errorf("%d frames wait: the order was changed", n)
	}
	s.out.forget(&s.srv.budget)
	if n := s.srv.budget.held.Load(); n != 0 {
		t.Errorf("%d bytes still count", n)
	}
}

func TestAControlPacketHasNoBody(t *testing.T) {
	everywhere(t, Config{Limits: Limits{CloseTimeout: 50 * time.Millisecond}}, func(t *testing.T, _ client, s *side) {
		s.in.Lock()
		err := s.receive(typeNoop, []byte("   "))
		probe := s.receive(typePong, []byte("probe"))
		s.in.Unlock()
		if !errors.Is(err, errControlBody) || probe != nil {
			t.Errorf("a body: %v, a probe: %v", err, probe)
		}
	})
}

// Strangers make the server hold no more than Config.StrangerBytes each, and
// 1,500 of them no more than 250 MB, whatever they send.
func TestStrangersAreSmall(t *testing.T) {
	const strangers = 300
	limit := int64(strangers * min(early().StrangerBytes(), 250_000_000/1500))
	full := clientFrame(ws.OpBinary, make([]byte, 64<<10))
	begun, rest := fragment(ws.OpBinary, false, strings.Repeat("x", 32<<10)), clientFrame(ws.OpContinuation, make([]byte, 32<<10))
	for name, attack := range map[string]func(r *rig, conn net.Conn, query string){
		"a frame without its end": func(_ *rig, conn net.Conn, _ string) {
			_, _ = conn.Write(full[:len(full)-1])
		},
		"PINGs that nobody reads": func(_ *rig, conn net.Conn, _ string) {
			_, _ = conn.Write([]byte(strings.Repeat(string(clientFrame(ws.OpPing, make([]byte, 125))), 200)))
		},
		"fragments and a frame": func(_ *rig, conn net.Conn, _ string) {
			_, _ = conn.Write(begun)
			_, _ = conn.Write(rest[:len(rest)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, early())
			conns := r.dialMany(t, strangers, net.Dialer{})
			for _, c := range conns {
				check(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
			}
			before := inUse()
			for _, c := range conns {
				attack(r, c, "")
			}
			if held := inUse() - before; held > limit {
				t.Errorf("%d bytes, at most %d were expected", held, limit)
			}
			for _, c := range conns {
				_ = c.Close()
			}
		})
	}
	t.Run("bodies without their end", func(t *testing.T) {
		r := newRig(t, early())
		before := inUse()
		for range strangers {
			c := r.dialPolling(t)
			conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
			defer conn.Close()
			_, query, _ := strings.Cut(c.URL(), "?")
			must[int](t)(io.WriteString(conn, "POST /socket.io/?"+query+" HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n"+strings.Repeat("x", 65535)))
			c.HTTP.CloseIdleConnections()
		}
		if held := inUse() - before; held > limit {
			t.Errorf("%d bytes, at most %d were expected", held, limit)
		}
	})
}
