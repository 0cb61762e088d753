package rfc6455

import "sync"

// pieces keeps the beginning of a long frame until the rest has come. Each byte is
// copied once into a piece and once into the whole, where one buffer that grew would
// be copied again and again; and memory that was never touched costs page faults, which
// the pieces of other frames save. Memory grows with what has come, not with what was
// announced.
type pieces struct {
	all  [][]byte
	have int // bytes that have come
	want int // bytes of the frame, its header included
}

const (
	pieceBytes = 16 << 10
	// longFrame is the size of a frame, header included, above which it is kept in pieces.
	longFrame = 2 * pieceBytes
)

var piecePool = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

func newPieces(want int) *pieces { return &pieces{want: want} }

// size is how many bytes have come; a nil pieces has none.
func (p *pieces) size() int {
	if p == nil {
		return 0
	}
	return p.have
}

func (p *pieces) missing() int { return p.want - p.have }

// add takes what of b belongs to the frame, and returns how much that is.
func (p *pieces) add(b []byte) int {
	b = b[:min(len(b), p.missing())]
	for rest := b; len(rest) > 0; {
		last := len(p.all) - 1
		if last < 0 || len(p.all[last]) == cap(p.all[last]) {
			p.all = append(p.all, p.piece())
			last++
		}
		n := min(len(rest), cap(p.all[last])-len(p.all[last]))
		p.all[last] = append(p.all[last], rest[:n]...)
		rest = rest[n:]
		p.have += n
	}
	return len(b)
}

// piece makes room for the next bytes, no more than the frame still needs.
func (p *pieces) piece() []byte {
	if need := p.missing(); need < pieceBytes {
		return make([]byte, 0, need)
	}
	return piecePool.Get().(*[pieceBytes]byte)[:0]
}

// join returns the bytes that have come, followed by those after the frame. The pieces
// are used up.
func (p *pieces) join(behind []byte) []byte {
	whole := make([]byte, 0, p.have+len(behind))
	for _, one := range p.all {
		whole = append(whole, one...)
		if cap(one) == pieceBytes {
			piecePool.Put((*[pieceBytes]byte)(one[:pieceBytes]))
		}
	}
	p.all = nil
	return append(whole, behind...)
}
