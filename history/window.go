package history

// window says which entries of a topic there are: those from first to next, without next.
type window struct {
	first, next uint64
	epoch       string
}

// nothing is the answer of a topic that nothing was sent to. Who has seen something of it
// has lost that.
func nothing(q Query) Page {
	return Page{Entries: []Entry{}, Complete: q.Since == nil || *q.Since == Position{}}
}

// plan returns which entries answer a query, those from from to to without to, and the
// page that they belong into.
func (w window) plan(q Query) (from, to uint64, page Page) {
	page = Page{Entries: []Entry{}, Position: Position{w.next - 1, w.epoch}}
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
func (w window) newest(q Query) (from, to uint64) {
	to = w.next
	if q.Before > 0 {
		to = min(to, max(q.Before, w.first))
	}
	return to - min(to-w.first, q.limit()), to
}

// since are the entries behind a position. One of another epoch, or of the future, says
// nothing: all that there is comes, and is not complete.
func (w window) since(q Query) (from, to uint64, complete bool) {
	from, to = q.Since.Offset+1, w.next
	known := (q.Since.Epoch == w.epoch || *q.Since == Position{}) && from > 0 && from <= w.next
	if complete = known && from >= w.first; !complete {
		from = w.first
	}
	if q.Before > 0 {
		to = min(to, max(q.Before, from))
	}
	return from, to, complete
}
