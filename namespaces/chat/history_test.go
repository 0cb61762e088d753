package chat_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
)

func TestSinceGivesWhatCameAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryMessages: 5}})
		ann := s.user("ann")
		ann.join("r")
		var ids []string
		for i := range 8 {
			ids = append(ids, ann.send("r", fmt.Sprint(i))["id"].(string))
		}
		if !slices.IsSorted(ids) {
			t.Errorf("ids do not grow: %v", ids)
		}
		for since, want := range map[string]struct {
			history  string
			complete bool
		}{
			"":         {"3 4 5 6 7", false},
			"never":    {"3 4 5 6 7", false},
			ids[1]:     {"3 4 5 6 7", false},
			ids[2]:     {"3 4 5 6 7", true}, // since the last message that was dropped: none after it is missing
			ids[3]:     {"4 5 6 7", true},
			ids[7]:     {"", true},
			ids[7][1:]: {"3 4 5 6 7", false},
		} {
			got := s.user("bob").request("room:join", map[string]any{"room": "r", "since": since})
			if strings.Join(texts(got["history"]), " ") != want.history || got["complete"] != want.complete {
				t.Errorf("since %q: %v, complete %v", since, texts(got["history"]), got["complete"])
			}
		}
	})
}

func TestHistoryIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryBytes: 3 * 1200}})
		ann := s.user("ann")
		ann.join("r")
		for range 5 {
			ann.send("r", strings.Repeat("x", 1000))
		}
		if got := len(texts(s.user("bob").join("r")["history"])); got != 3 {
			t.Errorf("%d messages", got)
		}
	})
}

func TestAllHistoriesTogetherAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryTotal: 5 * 1250}})
		ann := s.user("ann")
		for _, room := range []string{"empty", "a", "b"} {
			ann.join(room)
			for range 2 {
				ann.send(room, strings.Repeat("x", 1000))
			}
			if room == "empty" {
				ann.request("room:leave", map[string]any{"room": room})
			}
		}
		for range 4 {
			ann.send("b", strings.Repeat("x", 1000))
		}
		got := []int{}
		for _, room := range []string{"empty", "a", "b"} {
			got = append(got, len(texts(s.user("bob").join(room)["history"])))
		}
		if !slices.Equal(got, []int{0, 2, 3}) {
			t.Errorf("messages per room: %v", got)
		}
	})
}

func TestHistorySurvivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{EmptyRooms: 2, EmptyFor: time.Minute}})
		visit := func(room string) int {
			ann := s.user("ann")
			before := len(texts(ann.join(room)["history"]))
			ann.send(room, "x")
			ann.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
			synctest.Wait()
			return before
		}
		if a, b := visit("r"), visit("r"); a != 0 || b != 1 {
			t.Errorf("after a reload %d messages", b)
		}
		visit("s")
		visit("t")
		if got := visit("r"); got != 0 {
			t.Errorf("too many empty rooms kept their history: %d", got)
		}
		time.Sleep(2 * time.Minute)
		visit("u")
		if got := visit("r"); got != 0 {
			t.Errorf("an empty room kept its history too long: %d", got)
		}
	})
}

func TestRoomsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{MaxRooms: 2}})
		ann := s.user("ann")
		s.user("cleo").join("a")
		ann.join("b")
		if got := code(ann.join("c")); got != "too_many_rooms" {
			t.Errorf("code %q", got)
		}
		ann.request("room:leave", map[string]any{"room": "b"})
		if got := code(ann.join("c")); got != "" {
			t.Errorf("code %q", got)
		}
	})
}

func TestARepeatedNonceIsAnsweredOnceMoreAndNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{Nonces: 16}})
		ann, bob := s.user("ann"), s.user("bob")
		bob.join("r")
		ann.join("r")
		message := map[string]any{"room": "r", "text": "x", "nonce": "same"}
		first := ann.request("message:send", message)
		ann.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose}) // the acknowledgement may have been lost: the page sends again
		ann = s.user("ann")
		ann.join("r")
		again := ann.request("message:send", message)
		if first["id"] != again["id"] || first["at"] != again["at"] {
			t.Errorf("%v, then %v", first, again)
		}
		if other := bob.request("message:send", message); other["id"] == first["id"] {
			t.Error("the nonce of one user answered another")
		}
		bob.heard()
		for i := range 2 { // an eighth of 16
			ann.request("message:send", map[string]any{"room": "r", "text": "x", "nonce": fmt.Sprint(i)})
		}
		if late := ann.request("message:send", message); late["id"] == first["id"] {
			t.Error("remembered more nonces of a user than its share")
		}
		if got := len(bob.heard()); got != 3 {
			t.Errorf("bob heard %d messages", got)
		}
	})
}

func TestNoncesAreBoundedWithTheHistories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryTotal: 4 << 10, HistoryMessages: 1, Nonces: 4096}})
		ann := s.user("ann")
		ann.join("r")
		send := func(i int) any {
			return ann.request("message:send", map[string]any{"room": "r", "text": "x", "nonce": fmt.Sprint(i)})["id"]
		}
		var ids []any
		for i := range 100 {
			ids = append(ids, send(i))
		}
		for _, i := range []int{99, 80} {
			if again := send(i); again != ids[i] {
				t.Errorf("nonce %d was answered %v, then %v", i, ids[i], again)
			}
		}
		if again := send(0); again == ids[0] {
			t.Error("4 KiB remember 100 nonces")
		}
		ann.join("s")
		if got := ann.request("message:send", map[string]any{"room": "s", "text": "x", "nonce": "n"}); got["ok"] != true {
			t.Errorf("in another room: %v", got)
		}
	})
}

func TestANonceInFlightOnTwoTabsIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		bob := s.user("bob")
		bob.join("r")
		ids := make(chan any, 8)
		var wg sync.WaitGroup
		for range 8 {
			ann := s.user("ann")
			ann.join("r")
			wg.Go(func() {
				ids <- ann.request("message:send", map[string]any{"room": "r", "text": "x", "nonce": "n"})["id"]
			})
		}
		wg.Wait()
		close(ids)
		first := <-ids
		for id := range ids {
			if id != first {
				t.Errorf("answered %v and %v", first, id)
			}
		}
		messages := slices.DeleteFunc(bob.heard(), func(f string) bool { return !strings.HasPrefix(f, `["message"`) })
		if len(messages) != 1 {
			t.Errorf("sent %q", messages)
		}
	})
}

// TestJoiningWhileOthersTalkMissesNothing lets several users talk at once while others come and go, and puts together what
// each user got: history and events must make one gapless sequence, the same for all.
func TestJoiningWhileOthersTalkMissesNothing(t *testing.T) {
	const talkers, each, listeners = 4, 150, 6
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryMessages: talkers * each}})
		reference := s.user("reference")
		reference.join("r")
		var wg sync.WaitGroup
		for i := range talkers {
			c := s.user(fmt.Sprint("talker", i))
			c.join("r")
			wg.Go(func() {
				for n := range each {
					c.send("r", fmt.Sprint(i, ":", n))
				}
			})
		}
		tabs := make([]*tab, listeners)
		histories := make([][]string, listeners)
		for i := range listeners {
			tabs[i] = s.user(fmt.Sprint("listener", i))
			wg.Go(func() {
				histories[i] = texts(tabs[i].join("r")["history"])
			})
		}
		wg.Wait()
		want := spoken(t, reference.heard())
		if len(want) != talkers*each {
			t.Fatalf("%d messages", len(want))
		}
		for i, c := range tabs {
			if got := append(histories[i], spoken(t, c.heard())...); !slices.Equal(got, want) {
				t.Errorf("listener %d: %d from history, %d in all, or another order", i, len(histories[i]), len(got))
			}
		}
	})
}

// spoken returns the texts of the messages among frames.
func spoken(t *testing.T, frames []string) []string {
	t.Helper()
	var out []string
	for _, f := range frames {
		var event []json.RawMessage
		if err := json.Unmarshal([]byte(f), &event); err != nil {
			t.Fatal(err)
		}
		if string(event[0]) != `"message"` {
			continue
		}
		var m chat.Message
		if err := json.Unmarshal(event[1], &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Text)
	}
	return out
}
