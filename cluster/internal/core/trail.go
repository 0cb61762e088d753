package core

// Stamp names an entry of a stream. Its id alone does not: when the clock of a new primary is behind, it may give the ids of
// lost entries again.
type Stamp struct {
	ID  string
	Sum uint64 // of what it says
}

// Trail is the latest entries of a stream that a node has read, in their order. A new connection goes on behind the newest of
// them that Redis still has: what a failover or a restart loses is always the end of a stream, so that everything up to there
// has been read, and everything behind it is new, whatever its ids are.
//
// The zero value is empty. A Trail is not safe for concurrent use.
type Trail struct {
	ring []Stamp
	next int // where the oldest one stands, once the ring is full
	part bool
}

// Begin tells, before the first entry, that there are older ones, which will not be read.
func (t *Trail) Begin() { t.part = true }

// trailLength is how many entries a failover may lose for a node to know exactly which.
const trailLength = 4096

// Read notes an entry.
func (t *Trail) Read(s Stamp) {
	if len(t.ring) < trailLength {
		t.ring = append(t.ring, s)
		return
	}
	t.ring[t.next] = s
	t.next = (t.next + 1) % trailLength
}

// Resume returns the id behind which unread entries stand, and those that were read and are lost. older returns the
// entries of the stream before an id, the newest first; before "" stand all. It is asked until an entry is known.
func (t *Trail) Resume(older func(id string) ([]Stamp, error)) (id string, lost []Stamp, err error) {
	place := make(map[Stamp]int, len(t.ring))
	for i := range t.ring {
		place[t.at(i)] = i
	}
	for before := ""; ; {
		page, err := older(before)
		if err != nil {
			return "", nil, err
		}
		for _, s := range page {
			if i, known := place[s]; known {
				return s.ID, t.behind(i + 1), nil
			}
			if (t.part || len(t.ring) == trailLength) && len(t.ring) > 0 && Compare(s.ID, t.at(0).ID) < 0 {
				return s.ID, t.behind(0), nil // it stood before all that are known, and so may some behind it
			}
			before = s.ID
		}
		if len(page) == 0 {
			return "0-0", t.behind(0), nil
		}
	}
}

// at returns the i-th entry, the oldest first.
func (t *Trail) at(i int) Stamp { return t.ring[(t.next+i)%len(t.ring)] }

// behind returns the entries from the i-th on.
func (t *Trail) behind(i int) (entries []Stamp) {
	for ; i < len(t.ring); i++ {
		entries = append(entries, t.at(i))
	}
	return entries
}
