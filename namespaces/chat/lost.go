package chat

import "hash/maphash"

// lost knows the names of rooms that were forgotten with messages, so that a room made anew under such a name does not
// claim to be at its beginning. It is a Bloom filter: it forgets nothing and takes no more memory however many names
// there are. A false positive makes a new room say that messages before it may be missing.
type lost struct {
	seed maphash.Seed
	bits []uint64 // made with the first name
}

// 128 KiB; with 50,000 names one in 1,000 others is taken for one of them.
const (
	lostBits   = 1 << 20
	lostProbes = 4
)

func (l *lost) add(name string) {
	if l.bits == nil {
		l.seed, l.bits = maphash.MakeSeed(), make([]uint64, lostBits/64)
	}
	for _, bit := range l.probes(name) {
		l.bits[bit/64] |= 1 << (bit % 64)
	}
}

func (l *lost) has(name string) bool {
	if l.bits == nil {
		return false
	}
	for _, bit := range l.probes(name) {
		if l.bits[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// probes returns the bits that stand for a name.
func (l *lost) probes(name string) (bits [lostProbes]uint64) {
	sum := maphash.String(l.seed, name)
	for i := range bits {
		bits[i] = (sum + uint64(i)*(sum>>32|1)) % lostBits
	}
	return bits
}
