package ordered

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type item struct {
	value int
	place Place
}

// A heap returns the same items as a sorted list, after any entering, moving and
// removing.
func TestTheFirstIsTheSmallest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := New(func(a, b *item) bool { return a.value < b.value }, func(i *item) *Place { return &i.place })
	var there []*item
	for range 10_000 {
		switch n := len(there); {
		case n == 0 || r.IntN(5) < 2:
			one := &item{value: r.IntN(1000)}
			there = append(there, one)
			h.Set(one)
		case r.IntN(2) == 0:
			one := there[r.IntN(n)]
			one.value = r.IntN(1000)
			h.Set(one)
		default:
			at := r.IntN(n)
			h.Remove(there[at])
			h.Remove(there[at]) // is gone: nothing happens
			if there[at].place != 0 {
				t.Fatal("an item that is out has a place")
			}
			there = slices.Delete(there, at, at+1)
		}
		if h.Len() != len(there) {
			t.Fatalf("%d items, want %d", h.Len(), len(there))
		}
		if len(there) > 0 {
			if want := slices.MinFunc(there, func(a, b *item) int { return a.value - b.value }); h.First().value != want.value {
				t.Fatalf("%d is first, want %d", h.First().value, want.value)
			}
		}
	}
}
