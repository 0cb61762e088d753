package engine

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const many = 10_000

// number is the nth text of a numbered stream.
func number(n int) string { return strconv.Itoa(n) }

// sendNumbers sends 0 to many-1 in portions.
func sendNumbers(c client) error {
	for n := 0; n < many; {
		var texts []string
		for ; n < many && len(texts) < 250; n++ {
			texts = append(texts, number(n))
		}
		if err := c.send(texts...); err != nil {
			return err
		}
	}
	return nil
}

// readNumbers expects from to many-1.
func readNumbers(c client, from int) error {
	for n := from; n < many; n++ {
		p, err := c.next()
		if err != nil {
			return fmt.Errorf("after %d: %w", n, err)
		}
		if p != (packet{kind: typeMessage, data: number(n)}) {
			return fmt.Errorf("got %q instead of %d", p, n)
		}
	}
	return nil
}

func (h *side) sendNumbers() error {
	for n := range many {
		if err := h.Send(NewFrame([]byte(number(n)), nil)); err != nil {
			return fmt.Errorf("send %d: %w", n, err)
		}
	}
	return nil
}

func (h *side) expectNumbers(t *testing.T) {
	t.Helper()
	for n := range many {
		if m := h.got.next(t); m != (message{data: number(n)}) {
			t.Fatalf("got %q instead of %d", m, n)
		}
	}
}

func TestTenThousandMessagesKeepTheirOrderBothWays(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		sender := goes(s.sendNumbers)
		up := goes(func() error { return sendNumbers(c) })
		check(t, readNumbers(c, 0))
		check(t, await(t, sender))
		check(t, await(t, up))
		s.expectNumbers(t)
	})
}

func TestTheUpgradeLosesAndReordersNothing(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		for range 4 {
			p := r.dialPolling(t)
			s := r.opened.next(t)
			sender := goes(s.sendNumbers)
			check(t, p.send("0", "1"))
			w := r.dialWS(t, p.SID())
			check(t, p.upgrade(w))
			for n := 2; n < many; n++ {
				check(t, w.send(number(n)))
			}
			check(t, readNumbers(w, 0))
			check(t, await(t, sender))
			s.expectNumbers(t)
		}
	})
}

func TestAttachmentsStayWithTheirText(t *testing.T) {
	const senders, each = 4, 200
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		var done sync.WaitGroup
		for sender := range senders {
			done.Go(func() {
				for n := range each {
					id := fmt.Sprintf("%d-%d", sender, n)
					_ = s.Send(NewFrame([]byte(id), [][]byte{[]byte(id + "a"), []byte(id + "b")}))
				}
			})
		}
		for range senders * each {
			text := must[packet](t)(c.next())
			for _, suffix := range []string{"a", "b"} {
				p := must[packet](t)(c.next())
				if p != (packet{kind: typeBinary, data: text.data + suffix}) {
					t.Fatalf("behind %q came %q", text.data, p)
				}
			}
		}
		done.Wait()
	})
}

func TestBinaryAndEmptyMessagesPassBothWays(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		check(t, s.Send(NewBinaryFrame([]byte{0, 1, 255})))
		check(t, s.Send(NewBinaryFrame(nil)))
		check(t, s.Send(NewFrame(nil, nil)))
		for _, want := range []packet{{kind: typeBinary, data: "\x00\x01\xff"}, {kind: typeBinary}, {kind: typeMessage}} {
			if got := must[packet](t)(c.next()); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		check(t, c.sendBinary([]byte{0, 1, 255}))
		check(t, c.send(""))
		for _, want := range []message{{binary: true, data: "\x00\x01\xff"}, {}} {
			if got := s.got.next(t); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

func TestFramesOfEverySizeArriveWhole(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		sizes := []int{0, 1, 124, 125, 126, 65534, 65535, 65536, flushBytes / 2, flushBytes, 900_000}
		for _, size := range sizes {
			text := strings.Repeat("x", size)
			check(t, s.Send(NewFrame([]byte(text), nil)))
			check(t, c.send(text))
		}
		for _, size := range sizes {
			if p := must[packet](t)(c.next()); len(p.data) != size {
				t.Errorf("down: %d bytes instead of %d", len(p.data), size)
			}
			if m := s.got.next(t); len(m.data) != size {
				t.Errorf("up: %d bytes instead of %d", len(m.data), size)
			}
		}
	})
}

func TestOneFrameServesManySessions(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		var clients []client
		var sides []*side
		for n := range 12 {
			clients = append(clients, r.dial(t, transports[n%len(transports)]))
			sides = append(sides, r.opened.next(t))
		}
		f := NewFrame([]byte("all"), [][]byte{{7}})
		for _, s := range sides {
			check(t, s.Send(f))
		}
		for _, c := range clients {
			for _, want := range []packet{{kind: typeMessage, data: "all"}, {kind: typeBinary, data: "\x07"}} {
				if got := must[packet](t)(c.next()); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
	})
}

func TestWhatTheOwnerSendsAtTheOpeningComesBehindTheOpenPacket(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, onOpen(func(s *side) { _ = s.Send(NewFrame([]byte("hello"), nil)) }))
		for _, transport := range transports {
			if p := must[packet](t)(r.dial(t, transport).next()); p.data != "hello" {
				t.Errorf("%s: got %q", transport, p)
			}
		}
	})
}
