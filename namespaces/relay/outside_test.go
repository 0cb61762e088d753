package relay

import (
	"testing"
	"testing/synctest"
)

func TestWhoIsMovedFromOutsideIsInPresence(t *testing.T) {
	cfg := Config{Rooms: []RoomRule{{Match: "doc:{id}", Join: "true", Presence: true}}}
	onStage(t, cfg, func(t *testing.T, s *stage) {
		ada := s.enter("ada")
		s.enter("bob")
		ada.ask("room:join", map[string]any{"room": "doc:1"})
		ns, _ := s.hub.Namespace("/app")
		members := func() int {
			synctest.Wait()
			_, n, _, _ := s.relay.Members(t.Context(), ns, "doc:1", "", 10)
			return n
		}
		occupied := func() int {
			s.relay.mu.Lock()
			defer s.relay.mu.Unlock()
			return s.relay.occupied["/app\x00doc:1"]
		}
		if err := ns.In().Join("doc:1"); err != nil {
			t.Fatal(err)
		}
		if n, sockets := members(), occupied(); n != 2 || sockets != 2 {
			t.Errorf("after both are in: %d members, %d sockets", n, sockets)
		}
		if err := ns.In().Leave("doc:1"); err != nil {
			t.Fatal(err)
		}
		if n, sockets := members(), occupied(); n != 0 || sockets != 0 {
			t.Errorf("after both are out: %d members, %d sockets", n, sockets)
		}
	})
}

// A rule that tells nobody who is there for a while leaves no ghost: who has been moved out meanwhile is gone when it tells again.
func TestWhoIsMovedOutWhileARoomIsQuietIsGoneFromPresence(t *testing.T) {
	tells := Config{Rooms: []RoomRule{{Match: "doc:{id}", Join: "true", Presence: true}}}
	quiet := Config{Rooms: []RoomRule{{Match: "doc:{id}", Join: "true"}}}
	onStage(t, tells, func(t *testing.T, s *stage) {
		s.enter("ada").ask("room:join", map[string]any{"room": "doc:1"})
		s.enter("bob").ask("room:join", map[string]any{"room": "doc:1"})
		ns, _ := s.hub.Namespace("/app")
		becomes := func(cfg Config) {
			use, err := s.relay.Prepare(cfg)
			if err != nil {
				t.Fatal(err)
			}
			use()
		}
		becomes(quiet)
		if err := ns.In(hiddenRoom("bob")).Leave("doc:1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		becomes(tells)
		if members, n, _, _ := s.relay.Members(t.Context(), ns, "doc:1", "", 10); n != 1 || members[0].User != "ada" {
			t.Errorf("there are %v", members)
		}
	})
}
