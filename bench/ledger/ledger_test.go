package ledger_test

import (
	"errors"
	"testing"

	"gatehouse/bench/ledger"
)

// delivery is one message at one receiver.
type delivery struct{ receiver, message int }

func TestLedgerTellsWhatBrokeARoom(t *testing.T) {
	tests := []struct {
		name    string
		senders int
		got     []delivery
		want    ledger.Broken
	}{
		{"everything once and in order", 1, []delivery{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {1, 2}, {0, 2}}, ledger.Broken{}},
		{"two senders in one order of their own", 2, []delivery{{0, 1}, {0, 0}, {0, 2}, {1, 1}, {1, 0}, {1, 2}}, ledger.Broken{}},
		{"lost", 1, []delivery{{0, 0}, {1, 0}, {0, 1}, {0, 2}, {1, 2}}, ledger.Broken{Lost: 1}},
		{"duplicated", 1, []delivery{{0, 0}, {1, 0}, {0, 1}, {0, 1}, {1, 1}, {0, 2}, {1, 2}}, ledger.Broken{Duplicated: 1}},
		{"a sender's messages out of order for all", 1, []delivery{{0, 1}, {0, 0}, {0, 2}, {1, 1}, {1, 0}, {1, 2}}, ledger.Broken{Reordered: 1}},
		{"two receivers in different orders", 3, []delivery{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 0}, {1, 2}}, ledger.Broken{Reordered: 1}},
		{"never sent", 1, []delivery{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}, {1, 7}}, ledger.Broken{Unknown: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger.New(3, 2, tt.senders)
			for _, d := range tt.got {
				l.Deliver(d.receiver, d.message)
			}
			check(t, l.Err(), tt.want)
		})
	}
}

func check(t *testing.T, err error, want ledger.Broken) {
	t.Helper()
	var got *ledger.Broken
	if !errors.As(err, &got) {
		got = &ledger.Broken{}
	}
	got.Expected = 0
	if *got != want {
		t.Errorf("ledger says %+v, want %+v", *got, want)
	}
}

func TestAMessageIsCompleteWhenItsLastReceiverHasIt(t *testing.T) {
	l := ledger.New(1, 2, 1)
	if l.Deliver(0, 0) {
		t.Error("complete after the first of two receivers")
	}
	if l.Deliver(0, 0) {
		t.Error("complete after the first receiver got it twice")
	}
	if !l.Deliver(1, 0) {
		t.Error("not complete after both")
	}
}
