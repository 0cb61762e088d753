package main

import (
	"fmt"
	"strconv"
)

// id is a message's place in the order of its room, and in time.
type id = uint64

func parseID(text string) (id, error) { return strconv.ParseUint(text, 16, 64) }

func formatID(n id) string { return fmt.Sprintf("%016x", n) }

// stay is what one member saw of one room from a join to an end.
type stay struct {
	since    id   // the join asked for messages after this one; 0: for everything
	complete bool // the history reached back to since
	history  int  // how many of ids came with the answer to the join
	ids      []id
}

func (s *stay) last() id {
	if len(s.ids) == 0 {
		return 0
	}
	return s.ids[len(s.ids)-1]
}

// track is what one member saw of one room in the whole run.
type track struct {
	member, room string
	stays        []*stay

	// For the reader of the connection.
	now     *stay // between the join's answer and the end
	joining bool
	early   []message // messages behind the join's place in the order that came before its answer
}

// message holds the parts of a chat message that the soak reads.
type message struct {
	ID    string
	Room  string
	From  string
	Nonce string
}

// begin notes that the join has been sent.
func (t *track) begin() { t.joining, t.early = true, nil }

// joined starts a stay with the answer to the join.
func (t *track) joined(since id, history []message, complete bool) error {
	s := &stay{since: since, complete: complete, history: len(history)}
	t.now, t.joining = s, false
	t.stays = append(t.stays, s)
	for _, m := range append(history, t.early...) {
		if err := t.add(m); err != nil {
			return err
		}
	}
	t.early = nil
	return nil
}

// came notes a message.
func (t *track) came(m message) error {
	switch {
	case t.joining:
		t.early = append(t.early, m)
		return nil
	case t.now == nil:
		return fmt.Errorf("%s got %s of %s without being in it", t.member, m.ID, t.room)
	}
	return t.add(m)
}

func (t *track) add(m message) error {
	n, err := parseID(m.ID)
	if err != nil {
		return fmt.Errorf("%s got the id %q in %s", t.member, m.ID, t.room)
	}
	if last := max(t.now.last(), t.now.since); n <= last {
		return fmt.Errorf("%s got %s behind %s in %s", t.member, m.ID, formatID(last), t.room)
	}
	t.now.ids = append(t.now.ids, n)
	return nil
}

// end notes that the member is not in the room any more.
func (t *track) end() { t.now, t.joining, t.early = nil, false, nil }

// seen is the last message that the member knows of.
func (t *track) seen() id {
	for i := len(t.stays) - 1; i >= 0; i-- {
		if s := t.stays[i]; len(s.ids) > 0 || s.since > 0 {
			return max(s.last(), s.since)
		}
	}
	return 0
}
