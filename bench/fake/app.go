package fake

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// event matches an event with an acknowledgement: namespace, id, name, arguments.
var event = regexp.MustCompile(`^42(/\w+),(\d+)\["([\w:]+)",(.*)\]$`)

// broken is the message, delivery or echo at which a fault shows.
const broken = 40

type request struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

func (s *Server) packet(c *conn, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(text) > 3 && string(text[:3]) == "40/" && s.fault == Refuses:
		c.write([]byte(`44/chat,{"message":"no","data":{"code":"token_invalid"}}`))
	case len(text) > 3 && string(text[:3]) == "40/":
		c.write([]byte(string(text[:7]) + `,{"sid":"x"}`))
	default:
		if m := event.FindSubmatch(text); m != nil {
			s.event(c, "43"+string(m[1])+","+string(m[2]), string(m[3]), m[4])
		}
	}
}

// event handles one event. Its acknowledgement begins with ack.
func (s *Server) event(c *conn, ack, name string, args []byte) {
	var in request
	_ = json.Unmarshal(args, &in)
	switch name {
	case "echo":
		s.echo(c, []byte(ack+"["+string(args)+"]"))
		return
	case "room:join":
		if s.rooms[in.Room] == nil {
			s.rooms[in.Room] = map[*conn]bool{}
		}
		s.rooms[in.Room][c] = true
	case "room:leave":
		delete(s.rooms[in.Room], c)
	case "message:send":
		s.broadcast(in)
	}
	c.write(fmt.Appendf(nil, `%s[{"ok":true,"count":%d}]`, ack, len(s.rooms[in.Room])))
}

func (s *Server) echo(c *conn, answer []byte) {
	s.sent++
	switch {
	case s.fault == EchoesWrong && s.sent == broken:
		c.write(answer[:len(answer)-2])
	case s.fault == EchoesLate && s.sent == broken:
		s.held = answer
	default:
		c.write(answer)
	}
	if s.fault == EchoesLate && s.sent == broken+1 {
		c.write(s.held)
	}
}

// broadcast delivers a message to its room. The fault shows at one of its members.
func (s *Server) broadcast(in request) {
	s.sent++
	text := fmt.Appendf(nil, `42/chat,["message",{"id":"%d","room":%q,"text":%q}]`, s.sent, in.Room, in.Text)
	for c := range s.rooms[in.Room] {
		if s.victim == nil && s.sent == broken {
			s.victim = c
		}
		if c == s.victim {
			s.faulty(c, text)
			continue
		}
		c.write(text)
	}
}

// faulty delivers a message to the member at whom the fault shows.
func (s *Server) faulty(c *conn, text []byte) {
	switch {
	case s.fault == Loses && s.sent == broken:
	case s.fault == Reorders && s.sent == broken:
		s.held = text
	case s.fault == HangsUp:
		_ = c.Close()
	case s.fault == Duplicates && s.sent == broken:
		c.write(text)
		c.write(text)
	case s.fault == Reorders && s.sent == broken+1:
		c.write(text)
		c.write(s.held)
	default:
		c.write(text)
	}
}
