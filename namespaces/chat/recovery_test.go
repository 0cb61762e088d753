package chat_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
)

// A user whose connection breaks for a moment stays in the room, misses no message, and is not announced as gone. A
// user who stays away leaves the room.
func TestABreakOfTheConnectionIsNoLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := namespaces.Config{Recovery: namespaces.Recovery{For: time.Minute}}
		s := serve(t, cfg, chat.New(chat.Config{}))
		ann := s.user("ann")
		ann.join("r")
		bob := &tab{t: t, acks: make(chan string, 10)}
		bob.client = s.hub.Connect(bob)
		bob.client.Message(false, []byte(`0/chat,{"Subject":"bob","Name":"BOB"}`))
		synctest.Wait()
		pid := regexp.MustCompile(`"pid":"([^"]+)"`).FindStringSubmatch(strings.Join(bob.take(), ""))[1]
		bob.join("r")
		ann.heard()

		bob.client.Closed(namespaces.End{Reason: namespaces.ReasonPingTimeout, Lost: true})
		ann.send("r", "are you there?")
		again := &tab{t: t, acks: make(chan string, 10)}
		again.client = s.hub.Connect(again)
		again.client.Message(false, []byte(`0/chat,{"Subject":"bob","Name":"BOB","pid":"`+pid+`"}`))
		if got := again.heard(); len(got) != 1 || !strings.Contains(got[0], "are you there?") {
			t.Errorf("bob missed %q", got)
		}
		if answer := again.join("r"); answer["count"] != 2.0 || len(answer["history"].([]any)) != 0 {
			t.Errorf("joined again: %v", answer)
		}
		if answer := again.send("r", "yes"); answer["ok"] != true {
			t.Errorf("sent: %v", answer)
		}
		events := ann.heard()
		if len(events) != 2 || slices.ContainsFunc(events, func(e string) bool { return strings.Contains(e, "member:") }) {
			t.Errorf("ann heard %q", events)
		}

		again.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true})
		time.Sleep(time.Minute)
		var left []any
		if got := ann.heard(); len(got) != 1 || json.Unmarshal([]byte(got[0]), &left) != nil || left[0] != "member:left" {
			t.Errorf("ann heard %q", got)
		}
	})
}
