package core_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/cluster/internal/core"
)

// pages serves the entries of a stream, the oldest first, two at a time from the end.
func pages(entries []core.Stamp) func(string) ([]core.Stamp, error) {
	return func(id string) (page []core.Stamp, err error) {
		for _, s := range slices.Backward(entries) {
			if (id == "" || core.Compare(s.ID, id) < 0) && len(page) < 2 {
				page = append(page, s)
			}
		}
		return page, nil
	}
}

func stamp(ms int, sum uint64) core.Stamp { return core.Stamp{ID: fmt.Sprintf("%d-0", ms), Sum: sum} }

// A new connection goes on behind the newest entry that is still there, whatever ids the new ones have.
func TestWhereANewConnectionGoesOn(t *testing.T) {
	read := []core.Stamp{stamp(10, 1), stamp(11, 2), stamp(12, 3), stamp(13, 4)}
	for name, c := range map[string]struct {
		there []core.Stamp
		id    string
		lost  []core.Stamp
	}{
		"nothing has happened":       {read, "13-0", nil},
		"there is more":              {append(slices.Clone(read), stamp(14, 5), stamp(15, 6), stamp(16, 7)), "13-0", nil},
		"the newest are lost":        {read[:2], "11-0", read[2:]},
		"others have their ids":      {append(slices.Clone(read[:2]), stamp(12, 8), stamp(13, 9), stamp(14, 10)), "11-0", read[2:]},
		"the oldest are trimmed":     {read[3:], "13-0", nil},
		"all are trimmed":            {[]core.Stamp{stamp(20, 20)}, "0-0", read},
		"it is empty":                {nil, "0-0", read},
		"its clock is behind by far": {[]core.Stamp{stamp(1, 20), stamp(2, 21)}, "0-0", read},
	} {
		var trail core.Trail
		for _, s := range read {
			trail.Read(s)
		}
		if id, lost, err := trail.Resume(pages(c.there)); id != c.id || !slices.Equal(lost, c.lost) || err != nil {
			t.Errorf("%s: %s, %v, %v; want %s, %v", name, id, lost, err, c.id, c.lost)
		}
	}
	var late core.Trail // of a node that has not read what was there before
	late.Begin()
	late.Read(read[3])
	if id, lost, err := late.Resume(pages(read[:3])); id != "12-0" || len(lost) != 1 || err != nil {
		t.Errorf("a new node goes on behind %s, %v, %v", id, lost, err)
	}
	var trail core.Trail
	broken := errors.New("broken")
	if _, _, err := trail.Resume(func(string) ([]core.Stamp, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A trail has room for thousands of entries; what was read before them may be read again.
func TestALongTrail(t *testing.T) {
	var trail core.Trail
	var entries []core.Stamp
	for i := range 10_000 {
		entries = append(entries, stamp(i, uint64(i)))
		trail.Read(entries[i])
	}
	for left, want := range map[int]string{10_000: "9999-0", 6000: "5999-0", 5000: "4999-0"} {
		if id, lost, err := trail.Resume(pages(entries[:left])); id != want || len(lost) != min(10_000-left, 4096) || err != nil {
			t.Errorf("of %d entries: %s, %d lost, %v", left, id, len(lost), err)
		}
	}
}
