package engine

// link carries the frames of a session to its client: long-polling, or a WebSocket
// over any stream. A session has one at a time; an upgrade replaces it once. Session.mu
// is held for each call, unless the method says otherwise.
type link interface {
	// transport is what Session.Transport returns.
	transport() string
	// framing is the wire form of what goes out.
	framing() framing

	// wake starts the sending of the send queue. A direct frame goes out before frames
	// that many clients get, as far as the order of the session's frames allows.
	wake(direct bool)
	// flow reports how the waiting frames get to the client.
	flow() flow
	// takes reports whether the client has taken something since the last call.
	takes() bool
	// unsent is how many bytes wait for the client behind the send queue.
	unsent() int

	// read switches reading on or off.
	read(on bool)
	// unfinished returns the part of an incomplete message that has come. Its time is zero
	// when the message has a deadline of its own.
	unfinished() partly
	// discard lets go of messages that are not complete, and of those that still come.
	// Session.in is held instead of Session.mu.
	discard()

	// sayGoodbye sends the close packet behind what waits.
	sayGoodbye()
	// left completes the close packet of a client that has said good-bye first.
	left(p *closePacket)
	// reaches reports whether the client still gets what it is sent.
	reaches() bool
	// letGo ends what came through a hop that leaves, and reports whether the
	// session ends with that hop.
	letGo(hop Hop) bool
	// release frees the requests that wait for the session, which is gone.
	release()
	// close ends the connection after release, without Session.mu.
	close()
}

// flow says how far the client has taken its send queue.
type flow uint8

const (
	flowFree flow = iota // it goes out at once
	flowPoll             // frames go out at once, as the answer to a GET
	flowAway             // frames wait for the next GET
	flowFull             // frames wait for room in the stream
)

// longPollLocked is the transport while that is long-polling, else nil.
func (s *Session) longPollLocked() *longPoll {
	p, _ := s.link.(*longPoll)
	return p
}

// wakeLocked starts the sending of the frames that wait.
func (s *Session) wakeLocked() { s.link.wake(false) }

// transport implements link.
func (p *longPoll) transport() string { return "polling" }

// framing implements link.
func (p *longPoll) framing() framing { return framePolling }

// wake implements link.
func (p *longPoll) wake(bool) { p.answerLocked() }

// flow implements link.
func (p *longPoll) flow() flow {
	if p.get == nil {
		return flowAway
	}
	return flowPoll
}

// takes implements link: the writes of a response have a deadline of their own.
func (p *longPoll) takes() bool { return p.s.sending != nil }

// unsent implements link: the batch that is being written counts with the session.
func (p *longPoll) unsent() int { return 0 }

// read implements link. A POST that has begun is read to its end.
func (p *longPoll) read(on bool) {
	if on {
		p.resumePOST()
	}
}

// unfinished implements link.
func (p *longPoll) unfinished() partly {
	if p.post == nil {
		return 0
	}
	return newPartly(int(p.post.came.Load()), 0)
}

// discard implements link: a body is never kept beyond its request.
func (p *longPoll) discard() {}

// sayGoodbye implements link.
func (p *longPoll) sayGoodbye() { p.answerLocked() }

// left implements link.
func (p *longPoll) left(bye *closePacket) {
	bye.left = true
	bye.owed = !p.reaches()
	bye.deadline = min(bye.deadline, p.s.srv.now()+int64(overtaken))
}

// reaches implements link.
func (p *longPoll) reaches() bool { return p.get != nil || p.s.sending != nil }

// letGo implements link.
func (p *longPoll) letGo(Hop) bool {
	p.passOnLocked()
	return false
}

// close implements link: the requests' connections are net/http's.
func (p *longPoll) close() {}

// transport implements link.
func (c *websocket) transport() string { return "websocket" }

// framing implements link.
func (c *websocket) framing() framing { return c.frames }

// wake implements link.
func (c *websocket) wake(direct bool) {
	want := listedShared
	if direct {
		want = listedDirect
	}
	if !c.blocked && c.listed < want {
		c.listed = want
		c.s.flusher.add(c, direct)
	}
}

// flow implements link.
func (c *websocket) flow() flow {
	if c.blocked {
		return flowFull
	}
	return flowFree
}

// takes implements link, as far as that can be seen: a full socket reports room only
// when a good part of it is free, which a client on a thin line may take a minute for.
func (c *websocket) takes() bool {
	if !c.blocked {
		return true // it is the flusher's turn
	}
	queued := c.stream.queued()
	before := c.s.stall.queued
	c.s.stall.queued = queued
	return queued >= 0 && queued != before
}

// unsent implements link.
func (c *websocket) unsent() int { return c.context.unsentBytesLocked() }

// read implements link.
func (c *websocket) read(on bool) {
	if on {
		c.s.srv.spawn(c.resume)
	} else {
		c.stream.pause()
	}
}

// unfinished implements link.
func (c *websocket) unfinished() partly { return partly(c.incomplete.Load()) }

// discard implements link.
func (c *websocket) discard() {
	c.s.Hold(-partly(c.incomplete.Swap(0)).memory())
	c.reader.Discard(c)
}

// sayGoodbye implements link.
func (c *websocket) sayGoodbye() {
	c.s.queueCloseFrameLocked()
	c.wake(false)
}

// left implements link. There is nothing to complete: the answer to a close frame
// carries the code.
func (c *websocket) left(*closePacket) {}

// reaches implements link.
func (c *websocket) reaches() bool { return true }

// letGo implements link.
func (c *websocket) letGo(hop Hop) bool { return c.hop == hop }

// release implements link.
func (c *websocket) release() { c.context.forgetLocked(&c.s.srv.budget) }

// close implements link.
func (c *websocket) close() { c.stream.close() }
