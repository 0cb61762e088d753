package budget

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"
)

// Claim is the bytes that one connection holds when a budget is spent.
type Claim struct {
	Owner Owner
	Bytes int64
	// Since orders claims of one owner and size: the smallest goes first.
	Since int64
}

// Order yields the indexes of claims in the order in which their connections are
// cut: strangers before those who have been admitted, among them the owner who holds
// most at that moment, and of that owner the largest. It is lazy: the caller stops
// when it has enough.
func Order(claims []Claim) iter.Seq[int] {
	return func(yield func(int) bool) {
		owners := byOwner(claims)
		heap.Init(&owners)
		for len(owners) > 0 {
			o := owners[0]
			i := o.claims[0]
			if !yield(i) {
				return
			}
			o.bytes -= claims[i].Bytes
			if o.claims = o.claims[1:]; len(o.claims) == 0 {
				heap.Pop(&owners)
			} else {
				heap.Fix(&owners, 0)
			}
		}
	}
}

// holdings are the remaining claims of one owner, the largest first.
type holdings struct {
	owner  Owner
	bytes  int64
	claims []int
}

func byOwner(claims []Claim) holdingsHeap {
	index := map[Owner]*holdings{}
	var all holdingsHeap
	for i, c := range claims {
		o := index[c.Owner]
		if o == nil {
			o = &holdings{owner: c.Owner}
			index[c.Owner] = o
			all = append(all, o)
		}
		o.bytes += c.Bytes
		o.claims = append(o.claims, i)
	}
	for _, o := range all {
		slices.SortFunc(o.claims, func(i, j int) int {
			return cmp.Or(cmp.Compare(claims[j].Bytes, claims[i].Bytes), cmp.Compare(claims[i].Since, claims[j].Since))
		})
	}
	return all
}

// holdingsHeap has the owner that is cut next in front.
type holdingsHeap []*holdings

func (h holdingsHeap) Len() int      { return len(h) }
func (h holdingsHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Less implements heap.Interface.
func (h holdingsHeap) Less(i, j int) bool {
	if a, b := h[i].owner.Admitted(), h[j].owner.Admitted(); a != b {
		return b
	}
	return h[i].bytes > h[j].bytes
}

// Push implements heap.Interface.
func (h *holdingsHeap) Push(o any) { *h = append(*h, o.(*holdings)) }

// Pop implements heap.Interface.
func (h *holdingsHeap) Pop() any {
	last := len(*h) - 1
	o := (*h)[last]
	*h = (*h)[:last]
	return o
}
