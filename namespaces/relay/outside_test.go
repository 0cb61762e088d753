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
