package chat

import "slices"

// history is the last messages of a room, bounded in number and bytes.
type history struct {
	most, mostBytes int
	held            *tally

	messages []post // from start on
	start    int
	bytes    int
	dropped  string // id of the last message that was given up
	cut      bool   // an earlier room of this name, which was forgotten, had messages
}

func (h *history) init(most, mostBytes int, held *tally) {
	h.most, h.mostBytes, h.held = most, mostBytes, held
}

func (h *history) len() int { return len(h.messages) - h.start }

// oldest returns the id of the oldest message; there is one.
func (h *history) oldest() string { return h.messages[h.start].id }

// post is a message as members get it.
type post struct {
	id   string
	text []byte // a [Message]
}

// weight is how many bytes a message counts for: its text and about its overhead.
func (p post) weight() int {
	const fixed = 96
	return fixed + len(p.text)
}

// add appends a message and drops the oldest ones above the limits. The last one always stays.
func (h *history) add(p post) {
	h.messages = append(h.messages, p)
	h.count(p.weight())
	for h.len() > 1 && (h.len() > h.most || h.bytes > h.mostBytes) {
		h.drop()
	}
}

// drop gives up the oldest message.
func (h *history) drop() {
	oldest := &h.messages[h.start]
	h.count(-oldest.weight())
	h.dropped = oldest.id
	*oldest = post{}
	h.start++
	if h.start > h.len() { // more messages were dropped than are left: free their memory
		h.messages, h.start = slices.Clone(h.messages[h.start:]), 0
	}
}

func (h *history) count(bytes int) {
	h.bytes += bytes
	h.held.add(bytes)
}

// clear takes a forgotten room's bytes off the count.
func (h *history) clear() {
	h.count(-h.bytes)
	h.messages, h.start = nil, 0
}

// incomplete says whether the room had messages before the oldest.
func (h *history) incomplete() bool { return h.cut || h.dropped != "" }

// since returns the messages after the one with the given id, and reports whether none after it is missing. Without an id it
// returns all messages, and reports whether the room never had others. The slice is valid until the next message.
func (h *history) since(id string) (after []post, complete bool) {
	all := h.messages[h.start:]
	complete = id == h.dropped && (id != "" || !h.cut)
	for i := len(all) - 1; i >= 0 && id != ""; i-- {
		if all[i].id == id {
			all, complete = all[i+1:], true
			break
		}
	}
	return all, complete
}
