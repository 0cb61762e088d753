package peer

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a peer that is a shell script.
func script(text string) Peer {
	return Peer{Name: "script", command: []string{"sh", "-c", text}, secret: "SECRET"}
}

func TestAServerSaysWhereItListensInEitherWay(t *testing.T) {
	for _, line := range []string{
		`listening 127.0.0.1:4711`,
		`{"level":"info","msg":"listening","addr":"127.0.0.1:4711","dev":false}`,
	} {
		s, err := script("echo 'starting up'; echo '"+line+"'; exec sleep 60").Start(t.Context(), "key", nil)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.Stop()
		if s.Addr.String() != "127.0.0.1:4711" || s.PID == 0 {
			t.Errorf("%s: address %v, process %d", line, s.Addr, s.PID)
		}
	}
}

func TestAServerThatEndsAtOnceTellsItsLastWords(t *testing.T) {
	_, err := script(`echo "no key but $SECRET" >&2; exit 1`).Start(t.Context(), "this", nil)
	if err == nil || !strings.Contains(err.Error(), "no key but this") {
		t.Errorf("error %v, want the last words", err)
	}
}

func TestPeersAreChosenByName(t *testing.T) {
	known := Known("/checkout")
	chosen, err := Choose(known, []string{"bun", "gatehouse"})
	if err != nil || len(chosen) != 2 || chosen[0].Name != "bun" || chosen[1].Name != "gatehouse" {
		t.Errorf("chose %v (%v)", chosen, err)
	}
	if _, err := Choose(known, []string{"nobody"}); err == nil {
		t.Error("chose nobody")
	}
}
