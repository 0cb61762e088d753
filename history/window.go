package history

// Window says which entries of a topic there are: those from First to Next, without Next. It is for who makes a [Log].
type Window struct {
	First, Next uint64
	Epoch       string
}

// Nothing is the answer of a topic that nothing was sent to. Who has seen something of it
// has lost that.
func Nothing(q Query) Page {
	return Page{Entries: []Entry{}, Complete: q.Since == nil || *q.Since == Position{}}
}

// Plan returns which entries answer a query, from one offset up to
// another that is none of them, and the page that they belong into.
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

// newest are the last entries, or the last before an offset.
func (w Window) newest(q Query) (from, to uint64) {
	to = w.Next
	if q.Before > 0 {
		to = min(to, max(q.Before, w.First))
	}
	return to - min(to-w.First, q.limit()), to
}

// since are the entries behind a position. One of another epoch, or of the future, says
// nothing: all that there is comes, and is not complete.
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
