package chat

import "slices"

// history is the last messages of a room, bounded in number and bytes.
type history struct {
	most, mostBytes int
	held            *tally

	messages []Message // from start on
	start    int
	bytes    int
	dropped  string // id of the last message that was given up
	cut      bool   // there were others in a room of this name that was forgotten
}

func (h *history) init(most, mostBytes int, held *tally) {
	h.most, h.mostBytes, h.held = most, mostBytes, held
}

func (h *history) len() int { return len(h.messages) - h.start }

// oldest returns the id of the oldest message; there is one.
func (h *history) oldest() string { return h.messages[h.start].ID }

// weight is what a message counts for: its texts and about what holds them.
func weight(m Message) int {
	const fixed = 128
	return fixed + len(m.Text) + len(m.Room) + len(m.From) + len(m.Name) + len(m.Nonce)
}

// add appends a message and gives up the oldest ones that are too many. The last one always stays.
func (h *history) add(m Message) {
	h.messages = append(h.messages, m)
	h.count(weight(m))
	for h.len() > 1 && (h.len() > h.most || h.bytes > h.mostBytes) {
		h.drop()
	}
}

// drop gives up the oldest message.
func (h *history) drop() {
	oldest := &h.messages[h.start]
	h.count(-weight(*oldest))
	h.dropped = oldest.ID
	*oldest = Message{}
	h.start++
	if h.start > h.len() { // more was given up than is left: that memory goes back
		h.messages, h.start = slices.Clone(h.messages[h.start:]), 0
	}
}

func (h *history) count(bytes int) {
	h.bytes += bytes
	h.held.add(bytes)
}

// clear gives back what a forgotten room counts for.
func (h *history) clear() {
	h.count(-h.bytes)
	h.messages, h.start = nil, 0
}

// incomplete says whether the room had messages before the oldest.
func (h *history) incomplete() bool { return h.cut || h.dropped != "" }

// since returns the messages after the one with the given id, and whether that is all that came after it; without an id,
// all messages and whether the room never had others.
func (h *history) since(id string) (after []Message, complete bool) {
	all := h.messages[h.start:]
	complete = id == h.dropped && (id != "" || !h.cut)
	for i := len(all) - 1; i >= 0 && id != ""; i-- {
		if all[i].ID == id {
			all, complete = all[i+1:], true
			break
		}
	}
	return append([]Message{}, all...), complete
}
