package server

import (
	"log/slog"
	"strings"
	"testing"

	"gatehouse/cluster"
	"gatehouse/handshake"
)

func TestAUserMayHaveATwentiethOfTheFiles(t *testing.T) {
	for files, want := range map[int]int{10: 1, 1024: 51, 1 << 20: 52_428} {
		if got := perUser(files); got != want {
			t.Errorf("of %d files one user may have %d connections, want %d", files, got, want)
		}
	}
	for set, want := range map[int]int{0: perUser(openFiles()), 7: 7} {
		cfg := Config{Session: Session{MaxPerUser: set}}
		cfg.JWT.HMACSecret = handshake.Secret(strings.Repeat("k", 32))
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.hubConfig(s.cfg).MaxPerUser; got != want {
			t.Errorf("with %d set a user may have %d connections, want %d", set, got, want)
		}
		_ = s.Shutdown(t.Context())
	}
}

func TestOnlyALimitOfAUserThatIsSetIsSharedByNodes(t *testing.T) {
	for set, want := range map[int]bool{0: false, 7: true} {
		s := &Server{cfg: Config{Session: Session{MaxPerUser: set}}.WithDefaults(), log: slog.New(slog.DiscardHandler), node: new(cluster.Node)}
		s.prepareDoor()
		if got := s.sharedUsers() != nil; got != want {
			t.Errorf("with %d set nodes count together: %t, want %t", set, got, want)
		}
	}
}
