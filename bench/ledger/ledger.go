// Package ledger holds a room's deliveries to account: every message to every
// receiver once, all receivers in one order, each sender's messages in the order
// sent. A figure measured while any of this was broken is worth nothing.
package ledger

import "fmt"

// Ledger counts the deliveries of one run. It is not safe for concurrent use.
type Ledger struct {
	messages, receivers, senders int

	place    []int   // of each message in the room's order, from 1; 0 until somebody got it
	placed   int     // messages that have a place
	lastFrom []int   // newest message of each sender that has a place, from 1
	got      []bool  // by receiver and message
	at       []int   // place of each receiver's newest message
	missing  []int32 // receivers that do not have the message yet

	delivered, duplicated, reordered, unknown int
}

// New returns the ledger of a run in which messages, numbered from 0 and sent by
// senders in turn, go to each of the receivers.
func New(messages, receivers, senders int) *Ledger {
	l := &Ledger{
		messages: messages, receivers: receivers, senders: senders,
		place:    make([]int, messages),
		lastFrom: make([]int, senders),
		got:      make([]bool, messages*receivers),
		at:       make([]int, receivers),
		missing:  make([]int32, messages),
	}
	for i := range l.missing {
		l.missing[i] = int32(receivers)
	}
	return l
}

// Deliver notes that a receiver got a message. It reports whether the message
// has now reached everybody.
func (l *Ledger) Deliver(receiver, message int) bool {
	if message < 0 || message >= l.messages {
		l.unknown++
		return false
	}
	mark := &l.got[message*l.receivers+receiver]
	if *mark {
		l.duplicated++
		return false
	}
	*mark = true
	l.delivered++
	l.order(receiver, message)
	l.missing[message]--
	return l.missing[message] == 0
}

// order holds a delivery against the room's order, which is that of the receiver
// who sees a message first.
func (l *Ledger) order(receiver, message int) {
	if l.place[message] == 0 {
		l.placed++
		l.place[message] = l.placed
		sender := message % l.senders
		if message+1 < l.lastFrom[sender] {
			l.reordered++
		}
		l.lastFrom[sender] = max(l.lastFrom[sender], message+1)
	}
	if l.place[message] < l.at[receiver] {
		l.reordered++
	}
	l.at[receiver] = max(l.at[receiver], l.place[message])
}

// Delivered returns how many deliveries counted, duplicates left out.
func (l *Ledger) Delivered() int { return l.delivered }

// Err is nil when every message reached every receiver once and in order.
// Otherwise it is a *Broken.
func (l *Ledger) Err() error {
	b := Broken{
		Expected: l.messages * l.receivers, Lost: l.messages*l.receivers - l.delivered,
		Duplicated: l.duplicated, Reordered: l.reordered, Unknown: l.unknown,
	}
	if b.Lost+b.Duplicated+b.Reordered+b.Unknown == 0 {
		return nil
	}
	return &b
}

// Broken says what went wrong with the deliveries of a run.
type Broken struct {
	Expected                             int // deliveries that should have come
	Lost, Duplicated, Reordered, Unknown int
}

func (b *Broken) Error() string {
	return fmt.Sprintf("of %d deliveries %d lost, %d duplicated, %d out of order, %d unknown",
		b.Expected, b.Lost, b.Duplicated, b.Reordered, b.Unknown)
}
