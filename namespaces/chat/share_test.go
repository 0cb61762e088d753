package chat_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
)

func TestF9_OneUserDoesNotTakeAllRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{MaxRooms: 16}})
		one, two := s.user("ann"), s.user("ann")
		one.join("a1")
		one.join("a2")
		if got := code(two.join("a3")); got != chat.CodeTooManyRooms {
			t.Errorf("a third of 16 rooms on another connection: %q", got)
		}
		bob := s.user("bob")
		bob.join("b1")
		if got := code(two.join("b1")); got != "" {
			t.Errorf("a room of somebody else: %q", got)
		}
		one.request("room:leave", map[string]any{"room": "a1"})
		if got := code(two.join("a3")); got != "" {
			t.Errorf("in the place of an own empty room: %q", got)
		}
		for i := range 13 {
			if got := code(s.user(fmt.Sprint("u", i)).join(fmt.Sprint("r", i))); got != "" {
				t.Errorf("room %d: %q", i, got)
			}
		}
	})
}

func TestF9_OneUsersEmptyRoomsForgetNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{EmptyRooms: 4, MaxRooms: 80}})
		visit := func(name, room string) {
			c := s.user(name)
			c.join(room)
			c.send(room, "x")
			c.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
			synctest.Wait()
		}
		visit("ann", "ann's")
		for i := range 20 {
			visit("eve", fmt.Sprint("eve's ", i))
		}
		if got := texts(s.user("bob").join("ann's")["history"]); len(got) != 1 {
			t.Errorf("history of another user's empty room: %v", got)
		}
	})
}

func TestF10_TheLargestShareOfTheHistoriesShedsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{HistoryTotal: 64 << 10}})
		ann, eve := s.user("ann"), s.user("eve")
		ann.join("small")
		for i := range 10 {
			ann.send("small", fmt.Sprint(i))
		}
		ann.join("empty")
		ann.send("empty", "kept")
		ann.request("room:leave", map[string]any{"room": "empty"})
		for i := range 50 {
			room := fmt.Sprint("eve's ", i)
			eve.join(room)
			for range 4 {
				eve.send(room, strings.Repeat("x", 1000))
			}
		}
		ann.send("small", "10")
		watcher := s.user("watcher")
		if got := watcher.join("small"); len(texts(got["history"])) != 11 || got["complete"] != true {
			t.Errorf("the small room has %v, complete %v", texts(got["history"]), got["complete"])
		}
		if got := watcher.join("empty"); len(texts(got["history"])) != 1 {
			t.Errorf("the empty room has %v", texts(got["history"]))
		}
		left, whole := 0, 0
		for i := range 50 {
			got := watcher.join(fmt.Sprint("eve's ", i))
			left += len(texts(got["history"]))
			if got["complete"] == true {
				whole++
			}
		}
		if left < 40 || left > 60 || whole == 50 {
			t.Errorf("%d messages of 200 are left of who wrote the most, %d rooms of 50 are whole", left, whole)
		}
	})
}

func TestF11_TheLongestRoomNameFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		long := strings.Repeat("🏰", 64)
		ann := s.user("ann")
		if got := ann.join(long); got["ok"] != true {
			t.Errorf("join: %v", got)
		}
		if got := ann.send(long, "x"); got["ok"] != true {
			t.Errorf("send: %v", got)
		}
	})
}

func TestF11_AServerWithShorterRoomNamesSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := chat.New(chat.Config{})
		s := serve(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{MaxRoomName: 20}}, ns)
		ann := s.user("ann")
		if got := code(ann.join("a name of 20 bytes..")); got != namespaces.CodeBadRequest {
			t.Errorf("code %q", got)
		}
		if got := code(ann.join("r")); got != "" {
			t.Errorf("a short name: %q", got)
		}
	})
}

func TestW6_UsersOfTwoIssuersDoNotLookAlike(t *testing.T) {
	for name, c := range map[string]struct {
		home string
		want [3]string // for the first, the second and the third user
	}{
		"by configuration":    {"https://id.example", [3]string{"@guests/ann", "ann", "@/ann"}},
		"by who comes first":  {"", [3]string{"ann", "@https:%2F%2Fid.example/ann", "@/ann"}},
		"by one of no issuer": {"nobody", [3]string{"@guests/ann", "@https:%2F%2Fid.example/ann", "@/ann"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, chat.Config{Home: c.home})
				watcher := []*tab{}
				for i, issuer := range []string{"guests", "https://id.example", ""} {
					ann := s.enter(handshake.Identity{Subject: "ann", Name: "Ann", Issuer: issuer})
					for _, w := range watcher {
						w.heard()
					}
					joined := ann.join("r")
					ann.send("r", "x")
					ann.client.Message(false, []byte(`2/chat,["typing",{"room":"r","on":true}]`))
					want := c.want[i]
					if got := joined["members"].([]any)[i].(map[string]any)["user"]; got != want {
						t.Errorf("member %v, want %s", got, want)
					}
					if got := ann.request("info", struct{}{})["user"]; got != want {
						t.Errorf("info says %v, want %s", got, want)
					}
					for _, w := range watcher {
						heard := w.heard()
						for j, text := range []string{`"user":"` + want + `"`, `"from":"` + want + `"`, `"user":"` + want + `","on":true`} {
							if len(heard) != 3 || !strings.Contains(heard[j], text) {
								t.Errorf("heard %q, want %s", heard, text)
							}
						}
					}
					watcher = append(watcher, ann)
				}
			})
		})
	}
}

func TestW6_NobodysSubjectIsAnotherUsersName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Home: "home"})
		names := make(map[any]handshake.UserKey)
		for _, k := range []handshake.UserKey{
			{Issuer: "home", Subject: "ann"}, {Issuer: "home", Subject: "@b/ann"}, {Issuer: "b", Subject: "ann"},
			{Issuer: "b/c", Subject: "ann"}, {Issuer: "b", Subject: "c/ann"}, {Issuer: "", Subject: "ann"}, {Issuer: "", Subject: "@b/ann"},
		} {
			got := s.enter(handshake.Identity{Subject: k.Subject, Issuer: k.Issuer}).request("info", struct{}{})["user"]
			if other, ok := names[got]; ok {
				t.Errorf("%v and %v are both %v", k, other, got)
			}
			names[got] = k
		}
	})
}

func TestW7_ARoomThatWasForgottenIsNotAtItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{EmptyFor: time.Minute}})
		visit := func(room, text string) map[string]any {
			ann := s.user("ann")
			got := ann.join(room)
			if text != "" {
				ann.send(room, text)
			}
			ann.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
			synctest.Wait()
			time.Sleep(2 * time.Minute)
			return got
		}
		visit("r", "x")
		visit("silent", "")
		for room, complete := range map[string]bool{"r": false, "silent": true, "new": true} {
			if got := visit(room, ""); got["complete"] != complete || len(texts(got["history"])) != 0 {
				t.Errorf("%s: history %v, complete %v", room, got["history"], got["complete"])
			}
		}
		if got := visit("r", ""); got["complete"] != false {
			t.Error("what is lost is forgotten with the next room of the name")
		}
	})
}

func TestARepeatedJoinReturnsNoHistoryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		ann, bob := s.user("ann"), s.user("bob")
		ann.join("r")
		first := ann.send("r", "1")["id"]
		ann.send("r", "2")
		history := func(got map[string]any) []string { return texts(got["history"]) }
		if got := history(bob.join("r")); len(got) != 2 {
			t.Errorf("first join: %v", got)
		}
		if got := bob.join("r"); len(history(got)) != 0 || got["complete"] != true || got["count"] != 2.0 || len(got["members"].([]any)) != 2 {
			t.Errorf("second join: %v", got)
		}
		if got := history(bob.request("room:join", map[string]any{"room": "r", "since": first})); !slices.Equal(got, []string{"2"}) {
			t.Errorf("with since: %v", got)
		}
		bob.request("room:leave", map[string]any{"room": "r"})
		if got := history(bob.join("r")); len(got) != 2 {
			t.Errorf("after leaving: %v", got)
		}
		if err := s.ns.In("room:r").Leave("room:r"); err != nil {
			t.Fatal(err)
		}
		if got := history(bob.join("r")); len(got) != 2 {
			t.Errorf("after being taken out: %v", got)
		}
	})
}

func TestF4_JoinsWaitWhenAUserHasAskedForTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{}.WithJoins(1<<20, 1<<20))
		ann, one, two := s.user("ann"), s.user("eve"), s.user("eve")
		ann.join("r")
		for range 100 {
			ann.send("r", strings.Repeat("x", 1000))
		}
		ask := func(c *tab, joins int, since string) time.Duration {
			start := time.Now()
			for range joins {
				if got := c.request("room:join", map[string]any{"room": "r", "since": since}); got["ok"] != true {
					t.Fatal(got)
				}
			}
			return time.Since(start)
		}
		if took := ask(one, 8, "0"); took != 0 { // of 120 kB each
			t.Errorf("what one may have at once took %v", took)
		}
		if took := ask(two, 20, "0"); took < time.Second || took > 3*time.Second {
			t.Errorf("more, on another connection, took %v", took)
		}
		if took := ask(two, 256, ""); took < 2*time.Second || took > 3*time.Second { // members count, too
			t.Errorf("without history it took %v", took)
		}
		if took := ask(s.user("bob"), 1, ""); took != 0 {
			t.Errorf("another user waited %v", took)
		}
	})
}

// Otherwise all waiting joins would make their answers at the same moment, and take the processors from
// everybody.
func TestF4_OfJoinsThatWaitOneGoesOnAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{}.WithJoins(1, 1<<20))
		ann := s.user("ann")
		ann.join("r")
		for range 100 {
			ann.send("r", strings.Repeat("x", 1000))
		}
		tabs := make([]*tab, 10)
		for i := range tabs {
			tabs[i] = s.user("eve")
		}
		tabs[0].join("r")
		for _, c := range tabs {
			c.client.Message(false, []byte(`2/chat,1["room:join",{"room":"r","since":"0"}]`))
		}
		most := 0
		for range 20 { // 1 MiB a second, and 120 kB each
			synctest.Wait()
			answered := 0
			for _, c := range tabs {
				select {
				case <-c.acks:
					answered++
				default:
				}
			}
			most = max(most, answered)
			time.Sleep(100 * time.Millisecond)
		}
		if most != 1 {
			t.Errorf("%d were answered at once", most)
		}
	})
}

func TestF4_AFloodOfTypingNoticesIsBoundedByUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{QuietAbove: 3}})
		one, two, bob := s.user("ann"), s.user("ann"), s.user("bob")
		for _, c := range []*tab{one, two, bob} {
			c.join("r")
		}
		bob.heard()
		flood := func() int {
			for i := range 60 {
				for _, c := range []*tab{one, two} {
					c.client.Message(false, fmt.Appendf(nil, `2/chat,["typing",{"room":"r","on":%t}]`, i%2 == 0))
				}
			}
			return len(bob.heard())
		}
		if got := flood(); got != 10 {
			t.Errorf("%d notices of 120", got)
		}
		time.Sleep(3 * time.Second)
		if got := flood(); got != 6 {
			t.Errorf("%d notices three seconds later", got)
		}
		time.Sleep(time.Minute)
		s.user("cleo").join("r")
		s.user("dora").join("r")
		bob.heard()
		if got := flood(); got != 0 {
			t.Errorf("%d notices in a room that is quiet", got)
		}
	})
}

func TestInfoSaysWhoOneIsAndWhatIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{MaxText: 7}})
		got := fmt.Sprint(s.user("ann").request("info", struct{}{}))
		if want := "map[limits:map[nonce:128 room:64 text:7] name:ANN ok:true user:ann]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
