package engine

// watched counts the streams that the poller reads.
func watched(p poller) (n int) {
	all, ok := p.(*epollPoller)
	if !ok {
		return 0
	}
	for _, l := range all.loops {
		l.mu.Lock()
		n += len(l.streams)
		l.mu.Unlock()
	}
	return n
}
