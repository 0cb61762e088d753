package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// modelStep is an action of the client or the server, with what the model
// predicts that the client sees.
type modelStep struct {
	name string
	do   func(m *machine, ns string)
}

// modelSteps are all steps. Their order is that of the bytes of FuzzSteps.
var modelSteps = []modelStep{
	{"CONNECT", connectGood},
	{"CONNECT with a bad token", connectBad},
	{"DISCONNECT", disconnect},
	{"event", echoEvent},
	{"two events at once", twoEvents},
	{"event without acknowledgement", note},
	{"unknown event", unknownEvent},
	{"acknowledgement of nothing", func(m *machine, ns string) {
		if !m.says("43" + ns + ",999[1]") {
			m.addressed(ns, func() {})
		}
	}},
	{"the server asks", serverAsks},
	{"the server emits", func(m *machine, ns string) {
		if s := m.socket(ns); s != nil {
			_ = s.Emit("news", m.turn)
			m.sees(fmt.Sprintf(`42%s,["news",%d]`, ns, m.turn))
		}
	}},
	{"the server broadcasts binary data", func(m *machine, ns string) {
		if s := m.socket(ns); s != nil {
			_ = m.rig.names[ns].In(s.ID()).Emit("data", []byte{1, 2})
			m.sees(`451-`+ns+`,["data",{"_placeholder":true,"num":0}]`, "bAQI=")
		}
	}},
	{"the server disconnects", func(m *machine, ns string) {
		if s := m.socket(ns); s != nil {
			s.Disconnect(false)
			m.sees("41" + ns + ",")
			m.ended(ns)
		}
	}},
	{"the server closes", serverCloses},
	{"binary event", binaryEvent},
	{"binary event without its attachment", func(m *machine, ns string) {
		if !m.says(binaryText(ns)) {
			m.model.awaiting = ns
		}
	}},
	{"binary message", binaryMessage},
	{"garbage", func(m *machine, _ string) {
		m.says(garbage[m.turn%len(garbage)])
		if !m.model.over {
			m.ends()
		}
	}},
	{"what means nothing", func(m *machine, _ string) { m.says([]string{"3", "6", "0", "5"}[m.turn%4]) }},
	{"half a frame", halves},
	{"fragments around a PING", fragments},
	{"opens a probe", opensProbe},
	{"2probe", probes},
	{"5", switches},
	{"a message on the probe", func(m *machine, ns string) {
		if m.model.probe != noProbe {
			_ = m.p.probe.Write(wiretest.Frame(ws.OpText, true, []byte("42"+ns+`,["echo",1]`)))
			m.probeEnds()
		}
	}},
	{"closes the probe", func(m *machine, _ string) {
		if m.model.probe != noProbe {
			_ = m.p.probe.Write(wiretest.Frame(ws.OpClose, true, []byte{3, 232}))
			m.probeEnds()
		}
	}},
	{"a request with an unknown id", func(m *machine, _ string) {
		stranger := m.p.polling(strings.Repeat("A", 22))
		defer stranger.Drop()
		if status, _, err := stranger.Do(http.MethodPost, "text/plain", strings.NewReader("1")); err != nil || status != http.StatusBadRequest {
			m.fail("answered %d", status)
		}
	}},
	{"leaves", leaves},
}

// garbage ends a session, whatever state it is in.
var garbage = []string{
	"42", "43", "450-", "451-", "4", "9", "2", "", "49", `42["echo"`, `42/room,["connect"]`, `4511-/room,["echo"]`, `45-1-["echo"]`,
	`42/room,["echo",{"_placeholder":true,"num":0}]`, `42/room,18446744073709551617["echo"]`, "42/room,[\"\xff\"]", `44/room,{}`,
}

// ended notes that the server ended a socket of the client.
func (m *machine) ended(ns string) {
	delete(m.model.in, ns)
	m.model.departed[ns] = true
}

func connectGood(m *machine, ns string) {
	m.t.Helper()
	if m.says(`40` + ns + `,{"token":"` + m.rig.token + `"}`) {
		return
	}
	if m.replaces(ns) {
		return
	}
	got := m.p.next()
	var reply struct{ SID string }
	body, ok := strings.CutPrefix(got, "40"+ns+",")
	if !ok || json.Unmarshal([]byte(body), &reply) != nil || reply.SID == "" {
		m.fail("CONNECT is answered %.300q", got)
	}
	m.model.in[ns] = reply.SID
	delete(m.model.departed, ns)
	m.born = append(m.born, reply.SID)
}

// replaces applies a CONNECT to the socket that is there. It reports true for a
// fault, which a CONNECT is once the client has sent something in the namespace.
func (m *machine) replaces(ns string) bool {
	if m.model.in[ns] != "" && m.model.heard[ns] {
		m.ends()
		return true
	}
	delete(m.model.in, ns)
	delete(m.model.heard, ns)
	return false
}

func connectBad(m *machine, ns string) {
	if m.says(`40` + ns + `,{"token":"bad"}`) {
		return
	}
	if m.replaces(ns) {
		return
	}
	if got := m.p.next(); !strings.HasPrefix(got, "44"+ns+`,{"message":`) || !strings.Contains(got, `"code":"token_invalid"`) {
		m.fail("a bad token is answered %.300q", got)
	}
	m.model.departed[ns] = true
}

func disconnect(m *machine, ns string) {
	if m.says("41" + ns + ",") {
		return
	}
	m.addressed(ns, func() { delete(m.model.in, ns) })
}

func echoEvent(m *machine, ns string) {
	if m.says(fmt.Sprintf(`42%s,7["echo",%d,{"a":[]}]`, ns, m.turn)) {
		return
	}
	m.addressed(ns, func() { m.sees(fmt.Sprintf(`43%s,7[%d,{"a":[]}]`, ns, m.turn)) })
}

func twoEvents(m *machine, ns string) {
	if m.says(fmt.Sprintf(`42%s,1["echo",1]`, ns), fmt.Sprintf(`42%s,2["echo",2]`, ns)) {
		return
	}
	m.addressed(ns, func() { m.sees("43"+ns+",1[1]", "43"+ns+",2[2]") })
}

// note sends an event that is handled in order: the next answer comes behind it.
func note(m *machine, ns string) {
	if m.says(fmt.Sprintf(`42%s,["note",%d]`, ns, m.turn)) {
		return
	}
	m.addressed(ns, func() {
		echoEvent(m, ns)
		m.rig.mu.Lock()
		defer m.rig.mu.Unlock()
		if got := m.rig.note[m.model.in[ns]]; got != m.turn {
			m.fail("the handler saw %d", got)
		}
	})
}

func unknownEvent(m *machine, ns string) {
	if m.says("42" + ns + `,8["nobody handles this"]`) {
		return
	}
	m.addressed(ns, func() {}) // no answer comes, as the next step checks
}

func serverAsks(m *machine, ns string) {
	s := m.socket(ns)
	if s == nil || m.model.awaiting != "" {
		return
	}
	answered := make(chan error, 1)
	go func() {
		args, err := s.EmitAck(context.Background(), "ask", m.turn)
		if text := string(args.Raw(0)); err == nil && text != `"yes"` {
			err = fmt.Errorf("answered %s: %w", text, errEnded)
		}
		answered <- err
	}()
	question := m.p.next()
	id, ok := strings.CutSuffix(strings.TrimPrefix(question, "42"+ns+","), fmt.Sprintf(`["ask",%d]`, m.turn))
	if !ok {
		m.fail("got %.300q, want a question", question)
	}
	m.model.heard[ns] = true
	m.says("43"+ns+","+id+`["yes"]`, "43"+ns+","+id+`["twice"]`)
	if err := <-answered; err != nil {
		m.fail("the server's question: %v", err)
	}
}

// serverCloses ends the connection by way of one namespace: the client gets
// DISCONNECT for all that it is in, in the order of its joining.
func serverCloses(m *machine, ns string) {
	s := m.socket(ns)
	if s == nil {
		return
	}
	s.Disconnect(true)
	left := len(m.model.in)
	for range left {
		got := m.p.next()
		name := strings.TrimSuffix(strings.TrimPrefix(got, "41"), ",")
		if m.model.in[name] == "" {
			m.fail("got %.300q, want a DISCONNECT", got)
		}
		m.ended(name)
	}
	m.ends()
}

func binaryText(ns string) string {
	return "451-" + ns + `,9["echo",{"_placeholder":true,"num":0}]`
}

func binaryEvent(m *machine, ns string) {
	if m.says(binaryText(ns), "bAQID") {
		return
	}
	m.echoesBinary(ns)
}

func (m *machine) echoesBinary(ns string) {
	m.addressed(ns, func() { m.sees(`461-`+ns+`,9[{"_placeholder":true,"num":0}]`, "bAQID") })
}

func binaryMessage(m *machine, _ string) {
	ns := m.model.awaiting
	m.model.awaiting = ""
	m.says("bAQID")
	if ns == "" {
		m.ends()
		return
	}
	m.echoesBinary(ns)
}

// halves sends an event in two pieces; what the server emits in between arrives.
func halves(m *machine, ns string) {
	if m.p.main == nil || m.model.awaiting != "" {
		return
	}
	frame := wiretest.Frame(ws.OpText, true, []byte("42"+ns+`,6["echo",6]`))
	cut := 1 + m.turn%(len(frame)-1)
	_ = m.p.main.Write(frame[:cut])
	if s := m.socket(ns); s != nil {
		_ = s.Emit("between")
		m.sees("42" + ns + `,["between"]`)
	}
	_ = m.p.main.Write(frame[cut:])
	m.addressed(ns, func() { m.sees("43" + ns + ",6[6]") })
}

func fragments(m *machine, ns string) {
	if m.p.main == nil || m.model.awaiting != "" {
		return
	}
	text := "42" + ns + `,5["echo",5]`
	_ = m.p.main.Write(wiretest.Frame(ws.OpText, false, []byte(text[:4])))
	_ = m.p.main.Write(wiretest.Frame(ws.OpPing, true, []byte("between")))
	m.sees("pong between")
	_ = m.p.main.Write(wiretest.Frame(ws.OpContinuation, true, []byte(text[4:])))
	m.addressed(ns, func() { m.sees("43" + ns + ",5[5]") })
}

// opensProbe opens a WebSocket, which closes at once for a session that does not
// poll, or probes already.
func opensProbe(m *machine, _ string) {
	got := m.p.upgrade(m.p.sid())
	may := m.p.main == nil && m.model.probe == noProbe
	switch {
	case got == nil:
		m.fail("a WebSocket for the session is refused before it is open")
	case may:
		m.p.probe, m.model.probe = got, openProbing
	default:
		if first := packetOf(got); first != finished {
			m.fail("a WebSocket that the session has no use for gets %q", first)
		}
		got.Drop()
	}
}

func probes(m *machine, _ string) {
	if m.model.probe == noProbe {
		return
	}
	_ = m.p.probe.Write(wiretest.Frame(ws.OpText, true, []byte("2probe")))
	if m.model.probe == answeredProbe {
		m.probeEnds()
		return
	}
	if got := packetOf(m.p.probe); got != "3probe" {
		m.fail("the probe is answered %.300q", got)
	}
	m.model.probe = answeredProbe
}

// switches ends the upgrade. Events that the server emitted before, and that
// were not polled, come over the WebSocket.
func switches(m *machine, ns string) {
	switch m.model.probe {
	case openProbing:
		_ = m.p.probe.Write(wiretest.Frame(ws.OpText, true, []byte("5")))
		m.probeEnds()
	case answeredProbe:
		s := m.socket(ns)
		if s != nil {
			_ = s.Emit("waits", []byte{3})
		}
		m.p.switchOver()
		m.model.probe = noProbe
		if s != nil {
			m.sees(`451-`+ns+`,["waits",{"_placeholder":true,"num":0}]`, "bAw==")
		}
	}
}

// probeEnds expects that only the probe ends.
func (m *machine) probeEnds() {
	m.t.Helper()
	_ = m.p.probe.Conn.SetReadDeadline(time.Now().Add(overall))
	if rest, err := io.ReadAll(m.p.probe.In); err == nil && len(rest) > 0 {
		m.fail("the probe brought %.100q", rest)
	}
	m.p.probe.Drop()
	m.p.probe, m.model.probe = nil, noProbe
}

func leaves(m *machine, _ string) {
	if m.p.main == nil {
		m.says("1")
	} else {
		_ = m.p.main.Write(wiretest.Frame(ws.OpClose, true, []byte{3, 232}))
	}
	m.ends()
}
