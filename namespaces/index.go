package namespaces

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
)

// parts is the number of parts of an index, so that changes of different entries seldom wait for each other.
const parts = 32

// index finds things by name. It costs nothing until something is in it. It is safe for concurrent use; its locks are
// leaves.
type index[V any] struct {
	made atomic.Pointer[indexParts[V]]
}

type indexParts[V any] struct {
	seed  maphash.Seed
	parts [parts]part[V]
}

// part is one part of an index.
type part[V any] struct {
	mu sync.RWMutex // guards what follows; a leaf
	by map[string]V // nil while empty
}

// part returns the part of a name, and makes the parts if create is set; otherwise it may be nil.
func (x *index[V]) part(name string, create bool) *part[V] {
	p := x.made.Load()
	if p == nil {
		if !create {
			return nil
		}
		x.made.CompareAndSwap(nil, &indexParts[V]{seed: maphash.MakeSeed()})
		p = x.made.Load()
	}
	return &p.parts[maphash.String(p.seed, name)%parts]
}

// find returns the entry of a name, or the zero value.
func (x *index[V]) find(name string) (v V) {
	p := x.part(name, false)
	if p == nil {
		return v
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.by[name]
}

// read calls f with the entry of a name, or the zero value, under the lock of the index.
func (x *index[V]) read(name string, f func(v V)) {
	if p := x.part(name, false); p != nil {
		p.mu.RLock()
		defer p.mu.RUnlock()
		f(p.by[name])
	}
}

// change calls f with the entry of a name, or the zero value, and keeps the entry that f returns, or none when keep is
// false. f runs under the lock of the index.
func (x *index[V]) change(name string, f func(old V) (v V, keep bool)) {
	p := x.part(name, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	v, keep := f(p.by[name])
	switch {
	case !keep:
		delete(p.by, name)
	case p.by == nil:
		p.by = map[string]V{name: v}
	default:
		p.by[name] = v
	}
}

// len returns the number of entries.
func (x *index[V]) len() int {
	all := x.made.Load()
	if all == nil {
		return 0
	}
	n := 0
	for i := range all.parts {
		p := &all.parts[i]
		p.mu.RLock()
		n += len(p.by)
		p.mu.RUnlock()
	}
	return n
}

// all iterates over the entries, under no lock. Entries that come or go meanwhile may be left out.
func (x *index[V]) all() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		made := x.made.Load()
		if made == nil {
			return
		}
		var names []string
		var values []V
		for i := range made.parts {
			p := &made.parts[i]
			p.mu.RLock()
			for name, v := range p.by {
				names, values = append(names, name), append(values, v)
			}
			p.mu.RUnlock()
			for i, name := range names {
				if !yield(name, values[i]) {
					return
				}
			}
			names, values = names[:0], values[:0]
		}
	}
}
