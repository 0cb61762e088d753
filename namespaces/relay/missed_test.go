package relay

import (
	"strings"
	"testing"
	"testing/synctest"

	"gatehouse/namespaces"
)

func TestRoomsWithAHistoryAreToldOfAGap(t *testing.T) {
	cfg := Config{Rooms: []RoomRule{
		{Match: "doc:{id}", Join: "true", History: HistoryRule{Messages: 10}},
		{Match: "chat:{id}", Join: "true"},
	}}
	onStage(t, cfg, func(t *testing.T, s *stage) {
		reader, other := s.enter("ada"), s.enter("bob")
		reader.ask("room:join", map[string]any{"room": "doc:1"})
		other.ask("room:join", map[string]any{"room": "chat:1"})
		s.local.Missed(namespaces.Missed{Node: "another", Operations: 3})
		reader.ear.until(`2/app,["history:missed",{"room":"doc:1"}]`)
		synctest.Wait()
		if heard := other.ear.drain(); strings.Contains(heard, "missed") {
			t.Errorf("who can read nothing was told: %s", heard)
		}
	})
}
