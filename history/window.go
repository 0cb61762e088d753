package history

// Window says which entries a topic has: those from First up to Next, without Next. It is for implementations of
// [Log].
type Window struct {
	First, Next uint64
	Epoch       string
}

// Nothing is the answer of a topic without entries. A client that has seen entries of it
// has lost some.
func Nothing(q Query) Page {
	return Page{Entries: []Entry{}, Complete: q.Since == nil || *q.Since == Position{}}
}

// Plan returns the range of entries that answer a query, without the last
// offset, and the page for them.
func (w Window) Plan(q Query) (from, to uint64, page Page) {
	page = Page{Entries: []Entry{}, Position: Position{w.Next - 1, w.Epoch}}
	if q.Since == nil {
		from, to = w.newest(q)
		page.Complete = from == 1
		return from, to, page
	}
	from, to, page.Complete = w.since(q)
	if to-from > q.limit() {
		to = from + q.limit()
		page.Position.Offset = to - 1
	}
	return from, to, page
}

// newest returns the last entries, or the last before an offset.
func (w Window) newest(q Query) (from, to uint64) {
	to = w.Next
	if q.Before > 0 {
		to = min(to, max(q.Before, w.First))
	}
	return to - min(to-w.First, q.limit()), to
}

// since returns the entries behind a position. For a position of another epoch, or in the future, it returns all
// entries, as not complete.
func (w Window) since(q Query) (from, to uint64, complete bool) {
	from, to = q.Since.Offset+1, w.Next
	known := (q.Since.Epoch == w.Epoch || *q.Since == Position{}) && from > 0 && from <= w.Next
	if complete = known && from >= w.First; !complete {
		from = w.First
	}
	if q.Before > 0 {
		to = min(to, max(q.Before, from))
	}
	return from, to, complete
}
