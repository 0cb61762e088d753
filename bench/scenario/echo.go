package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// portion is how many of a connection's requests are written at once: about 16 KB.
const portion = 150

var errEcho = errors.New("echo wrong or out of order")

// echoes are the pipelined requests of a crowd to /echo.
type echoes struct {
	*crowd
	requests int
	sent     []int    // by member
	answered []uint64 // by member; also the id of the answer due next
	finished int      // members with all answers
	expected []byte
}

// echo measures requests that the server acknowledges with what they brought,
// all of them written without waiting for an answer.
func (s Sizes) echo(r *Rig) (Values, error) {
	e := &echoes{crowd: newCrowd(r, "/echo")}
	e.ack, e.asked, e.room = e.answer, true, e.write
	if err := e.connect(s.EchoConnections); err != nil {
		return nil, err
	}
	if err := e.run(s.EchoRequests / 10); err != nil { // a rehearsal
		return nil, err
	}
	cpu, err := r.spent("echo", func() error { return e.run(s.EchoRequests) })
	if err != nil {
		return nil, err
	}
	return Values{"echo_us": per(cpu, s.EchoConnections*s.EchoRequests)}, e.err
}

// run has every member send the requests and waits for all answers.
func (e *echoes) run(requests int) error {
	e.requests, e.finished = requests, 0
	e.sent, e.answered = make([]int, len(e.conns)), make([]uint64, len(e.conns))
	for i := range e.conns {
		e.write(i)
	}
	return e.until(func() bool { return e.finished == len(e.conns) })
}

// write sends portions until the socket has no room left or all is written.
func (e *echoes) write(member int) {
	for conn := e.conns[member]; e.sent[member] < e.requests && conn.Waiting() == 0; {
		for range portion {
			if e.sent[member] == e.requests {
				break
			}
			id := e.sent[member]
			conn.Echo(uint64(id), `{"n":`+strconv.Itoa(id)+`,"text":"`+text+`"}`)
			e.sent[member]++
		}
		conn.Flush()
	}
}

// answer checks one acknowledgement: the next id, and the arguments unchanged.
func (e *echoes) answer(member int, id uint64, data []byte) {
	due := e.answered[member]
	e.expected = append(e.expected[:0], `[{"n":`...)
	e.expected = strconv.AppendUint(e.expected, due, 10)
	e.expected = append(e.expected, `,"text":"`+text+`"}]`...)
	if id != due || !bytes.Equal(data, e.expected) {
		e.fail(fmt.Errorf("%w: client %d got %d %.100s where %d was due", errEcho, member, id, data, due))
		return
	}
	if e.answered[member]++; e.answered[member] == uint64(e.requests) {
		e.finished++
	}
}
