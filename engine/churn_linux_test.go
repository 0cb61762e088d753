package engine

// watched counts the streams that the loops read.
func watched(p epoll) (n int) {
	all, ok := p.(*epollLoops)
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
