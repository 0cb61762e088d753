package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
)

// asked reads on to the next question of a namespace and returns its id.
func (c *client) asked(namespace string) string {
	c.t.Helper()
	at := strings.TrimPrefix(namespace+",", "/,")
	id, _, _ := strings.Cut(strings.TrimPrefix(c.until("42"+at), "42"+at), "[")
	return id
}

// nobody takes an answer that no test waits for.
func nobody([]any, error) {}

// eventWait is how long events wait where a test waits it out.
const eventWait = 100 * time.Millisecond

// settling are the ways in which questions end: ask asks, and settle acts as the
// client until the application waits for no answer any more.
var settling = map[string]struct {
	eventWait time.Duration
	ask       func(io *socket.Server, s *socket.Socket, done func([]any, error))
	settle    func(c *client, done <-chan []any)
}{
	"the application gave up": {
		ask: func(_ *socket.Server, s *socket.Socket, done func([]any, error)) {
			s.Timeout(50 * time.Millisecond).EmitWithAck("question")(done)
		},
		settle: func(c *client, done <-chan []any) { receive(c.t, done) },
	},
	"the application gave up asking everybody": {
		eventWait: eventWait,
		ask: func(io *socket.Server, _ *socket.Socket, done func([]any, error)) {
			io.Timeout(2 * eventWait).EmitWithAck("question")(done)
		},
		settle: func(c *client, done <-chan []any) { receive(c.t, done) },
	},
	"the client answered": {
		ask: func(_ *socket.Server, s *socket.Socket, done func([]any, error)) { s.EmitWithAck("question")(done) },
		settle: func(c *client, done <-chan []any) {
			c.send("43" + c.asked("/") + `["answer"]`)
			receive(c.t, done)
		},
	},
	"the client answered everybody's question": {
		ask: func(io *socket.Server, _ *socket.Socket, done func([]any, error)) {
			io.Timeout(patience).EmitWithAck("question")(done)
			done(nil, nil) // an answer while the library still asks is a data race of the library
		},
		settle: func(c *client, done <-chan []any) {
			receive(c.t, done)
			c.send("43" + c.asked("/") + `["answer"]`)
			receive(c.t, done)
		},
	},
	"question and answer had attachments": {
		ask: func(_ *socket.Server, s *socket.Socket, done func([]any, error)) {
			s.EmitWithAck("question", types.NewBytesBuffer([]byte{1}))(done)
		},
		settle: func(c *client, done <-chan []any) {
			id, _, _ := strings.Cut(strings.TrimPrefix(c.until("451-"), "451-"), "[")
			c.send("461-" + id + `[{"_placeholder":true,"num":0}]`)
			c.sendBinary([]byte{2})
			receive(c.t, done)
		},
	},
	"the client left the namespace": {
		ask: func(io *socket.Server, s *socket.Socket, done func([]any, error)) {
			_ = io.Of("/left", nil).On("connection", func(args ...any) {
				left := args[0].(*socket.Socket)
				left.EmitWithAck("question")(nobody)
				_ = left.On("disconnect", func(...any) { done(nil, nil) })
			})
			_ = s.Emit("/left is there")
		},
		settle: func(c *client, done <-chan []any) {
			c.until("42")
			c.join("/left", "").send("41/left,")
			receive(c.t, done)
		},
	},
	"only those not kept in mind are open": {
		ask: func(_ *socket.Server, s *socket.Socket, done func([]any, error)) {
			for range bridge.MaxQuestions + 1 {
				s.EmitWithAck("question")(done)
			}
		},
		settle: func(c *client, done <-chan []any) {
			var ids []string
			for range bridge.MaxQuestions + 1 {
				ids = append(ids, c.asked("/"))
			}
			for _, id := range ids[1:] {
				c.send("43" + id + `[]`)
				receive(c.t, done)
			}
		},
	},
}

func TestAClientIsSlowedAgainWhenNothingIsAwaitedOfIt(t *testing.T) {
	for name, tc := range settling {
		t.Run(name, func(t *testing.T) {
			done, goOn, handled := make(chan []any, 1), make(chan struct{}), make(chan struct{}, 200)
			a := serve(t, bridge.Config{QueuePackets: 10, EventWait: tc.eventWait}, func(io *socket.Server) {
				connected(io, func(s *socket.Socket) {
					_ = s.On("slow", func(...any) {
						<-goOn
						handled <- struct{}{}
					})
					tc.ask(io, s, func(args []any, _ error) { done <- args })
				})
			})
			c := a.open().join("/", "")
			tc.settle(c, done)
			for range cap(handled) {
				c.send(`42["slow"]`)
			}
			ended := make(chan string, 1)
			go func() {
				code, reason := c.closed()
				ended <- fmt.Sprint(code, " ", reason)
			}()
			select {
			case how := <-ended:
				t.Errorf("cut with %s instead of being read no more", how)
			case <-time.After(200 * time.Millisecond): // without an end for this long: it is read no more
			}
			close(goOn)
			for range cap(handled) {
				receive(t, handled)
			}
			c.Drop()
			receive(t, ended)
		})
	}
}

func TestAnswersToOtherQuestionsDoNotKeepAClientFromAnswering(t *testing.T) {
	cases := map[string]func(c *client, first, second, other string){
		"made up": func(c *client, _, _, _ string) { c.send(`43999["x"]`, `43998["x"]`, `43997["x"]`) },
		"twice":   func(c *client, first, _, _ string) { c.send("43"+first+`[]`, "43"+first+`[]`, "43"+first+`[]`) },
		"of another namespace": func(c *client, first, second, other string) {
			c.send("43"+first+`[]`, "43/other,"+other+`[]`, "43/other,"+second+`[]`)
		},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			answers := make(chan []any, 1)
			a := serve(t, bridge.Config{QueuePackets: 10}, func(io *socket.Server) {
				_ = io.Of("/other", nil).On("connection", func(args ...any) {
					s := args[0].(*socket.Socket)
					s.EmitWithAck("question")(nobody)
					_ = s.On("hello", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
				})
				connected(io, func(s *socket.Socket) {
					_ = s.On("ask", func(...any) {
						s.EmitWithAck("question")(nobody)
						got := make(chan []any, 1)
						s.EmitWithAck("question")(func(args []any, _ error) { got <- args })
						answers <- <-got
					})
				})
			})
			c := a.open().join("/", "").join("/other", "")
			other := c.asked("/other")
			c.send(`42["ask"]`)
			first, second := c.asked("/"), c.asked("/")
			answer(c, first, second, other)
			c.send(`42/other,1["hello"]`)
			c.until("43/other,1")
			for range 20 { // more than the queue's limit, less than four times that
				c.send(`42["waits"]`)
			}
			c.send("43" + second + `["the answer"]`)
			if got := receive(t, answers); len(got) != 1 || got[0] != "the answer" {
				t.Errorf("the answer is %v", got)
			}
		})
	}
}
