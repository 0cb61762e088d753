package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// visit is one connection of a member. One goroutine reads, one acts.
type visit struct {
	m    *member
	wire *wire
	over chan struct{} // closed when reading has ended
	err  error         // how; valid once over

	admitted chan struct{}

	mu    sync.Mutex // guards what follows; after the member's
	last  uint64     // acknowledgement id
	asked map[uint64]chan answer
	joins map[uint64]string // rooms that were asked for
}

// answer is an acknowledgement of the chat.
type answer struct {
	OK       bool
	ID       string
	History  []message
	Complete bool
	Error    struct{ Code, Message string }
}

var errOver = errors.New("the connection is over")

// read takes everything that comes.
func (v *visit) read() {
	defer close(v.over)
	for {
		text, err := v.wire.next()
		if err == nil {
			err = v.handle(text)
		}
		if err != nil {
			v.err = err
			return
		}
		v.m.nap(v.wire)
	}
}

const prefix = "/chat,"

func (v *visit) handle(text string) error {
	if text == "" || !strings.HasPrefix(text[1:], prefix) {
		return v.wrong("a packet %.80q", text)
	}
	body := text[1+len(prefix):]
	switch text[0] {
	case '0':
		close(v.admitted)
		return nil
	case '2':
		return v.event(body)
	case '3':
		return v.acked(body)
	}
	return v.wrong("a packet %.200q", text)
}

// wrong reports a packet that no server may send.
func (v *visit) wrong(format string, args ...any) error {
	err := fmt.Errorf(v.m.name+" got "+format, args...)
	v.m.crew.fault(err)
	return err
}

func (v *visit) event(body string) error {
	var event []json.RawMessage
	var name string
	if json.Unmarshal([]byte(body), &event) != nil || len(event) != 2 || json.Unmarshal(event[0], &name) != nil {
		return v.wrong("an event %.200q", body)
	}
	if name != "message" {
		return nil // who comes and goes
	}
	var msg message
	if err := json.Unmarshal(event[1], &msg); err != nil {
		return v.wrong("a message %.200q", body)
	}
	m := v.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracks[msg.Room]
	if t == nil {
		return v.wrong("a message of %q", msg.Room)
	}
	m.ownLocked(msg)
	m.crew.tally.deliveries.Add(1)
	return v.m.crew.report(t.came(msg))
}

// ownLocked notes the place of one of the member's own messages.
func (m *member) ownLocked(msg message) {
	l := m.byNonce[msg.Nonce]
	if l == nil || msg.From != m.name {
		return
	}
	n, _ := parseID(msg.ID)
	if len(l.ids) == 0 || l.ids[len(l.ids)-1] != n {
		l.ids = append(l.ids, n)
	}
}

func (v *visit) acked(body string) error {
	digits := strings.IndexByte(body, '[')
	n, err := strconv.ParseUint(body[:max(digits, 0)], 10, 64)
	var answers []answer
	if err != nil || json.Unmarshal([]byte(body[digits:]), &answers) != nil || len(answers) != 1 {
		return v.wrong("an acknowledgement %.200q", body)
	}
	a := answers[0]
	v.mu.Lock()
	waiting, ok := v.asked[n]
	room, join := v.joins[n]
	delete(v.asked, n)
	delete(v.joins, n)
	v.mu.Unlock()
	if !ok || !a.OK {
		return v.wrong("the acknowledgement %.200q", body)
	}
	if join {
		err = v.arrived(room, a)
	}
	waiting <- a
	return err
}

// arrived starts a stay with the answer to the join.
func (v *visit) arrived(room string, a answer) error {
	m := v.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracks[room]
	for _, msg := range a.History {
		m.ownLocked(msg)
	}
	m.crew.tally.history.Add(int64(len(a.History)))
	since := t.seen()
	if since != 0 {
		m.crew.tally.count(map[bool]string{true: "returned, history complete", false: "returned, history too short"}[a.Complete])
	}
	return m.crew.report(t.joined(since, a.History, a.Complete))
}

// ask emits an event and returns the channel of its answer.
func (v *visit) ask(event, room string, payload map[string]any) (<-chan answer, error) {
	answered := make(chan answer, 1)
	v.mu.Lock()
	v.last++
	n := v.last
	v.asked[n] = answered
	if event == "room:join" {
		if v.joins == nil {
			v.joins = make(map[uint64]string)
		}
		v.joins[n] = room
	}
	v.mu.Unlock()
	payload["room"] = room
	body, err := json.Marshal([]any{event, payload})
	if err != nil {
		return nil, err
	}
	return answered, v.wire.send("2" + prefix + strconv.FormatUint(n, 10) + string(body))
}

// await waits for an answer, or for the end.
func (v *visit) await(answered <-chan answer) error {
	t := time.NewTimer(4 * patience) // long enough for a slow line; a dead one ends before
	defer t.Stop()
	select {
	case <-answered:
		return nil
	case <-v.over:
		return errOver
	case <-t.C:
		return errors.New("no answer")
	}
}

func (v *visit) join(room string) error {
	m := v.m
	m.mu.Lock()
	t := m.tracks[room]
	payload := map[string]any{}
	if n := t.seen(); n != 0 {
		payload["since"] = formatID(n)
	}
	t.begin()
	m.mu.Unlock()
	answered, err := v.ask("room:join", room, payload)
	if err != nil {
		return err
	}
	return v.await(answered)
}

func (v *visit) leaveRoom(room string) error {
	answered, err := v.ask("room:leave", room, map[string]any{})
	if err != nil {
		return err
	}
	if err := v.await(answered); err != nil {
		return err
	}
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	v.m.tracks[room].end()
	return nil
}

// post sends a letter; its acknowledgement is noted when it comes.
func (v *visit) post(ctx context.Context, l *letter, acks *sync.WaitGroup) error {
	answered, err := v.ask("message:send", l.room, map[string]any{"text": l.text, "nonce": l.nonce})
	if err != nil {
		return err
	}
	acks.Go(func() {
		select {
		case a := <-answered:
			v.noted(l, a)
		case <-v.over:
		case <-ctx.Done():
		}
	})
	return nil
}

func (v *visit) noted(l *letter, a answer) {
	n, err := parseID(a.ID)
	if err != nil {
		v.m.crew.fault(fmt.Errorf("%s: acknowledged as %q", l.nonce, a.ID))
		return
	}
	v.m.mu.Lock()
	l.acked = n
	v.m.mu.Unlock()
	v.m.crew.tally.acked.Add(1)
}
