package core

// Open reports whether answers to a question are still taken.
func (q *Questions) Open(id string) bool { _, ok := q.open[id]; return ok }
