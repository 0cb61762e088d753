package cluster

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
)

// Attack, remarks: a node whose clock is ahead makes revocations that lie in
// the future.
func TestAttackRemarks_AMarkOfANodeWhoseClockIsAheadIsBounded(t *testing.T) {
	client, prefix := connect(t)
	if client == nil {
		return
	}
	one, _, _ := join(t, client, prefix, 0)
	_, _, heard := join(t, client, prefix, 0)
	ahead := revocation("ada", 24*time.Hour)
	ahead.At = ahead.At.Add(time.Hour)
	if err := one.Spread(t.Context(), ahead); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, heard, "ada"); got.At.After(time.Now().Add(maxAhead)) || got.Until.Before(ahead.Until) {
		t.Errorf("at %v, until %v", got.At, got.Until)
	}
	_, _, late := join(t, client, prefix, 0)
	if got := hears(t, late, "ada"); got.At.After(time.Now().Add(maxAhead)) {
		t.Errorf("who joins later hears of %v", got.At)
	}
}

func TestAttackRemarks_ClocksThatAreApartAreWarnedOf(t *testing.T) {
	client, prefix := connect(t)
	if client == nil {
		return
	}
	for name, c := range map[string]struct {
		ahead time.Duration
		warns bool
	}{
		"ahead":  {time.Minute, true},
		"behind": {-time.Minute, true},
		"right":  {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			lines := make(chan string, 16)
			bus := New(Config{
				Client: func() (rueidis.Client, error) { return client, nil }, Prefix: prefix + name,
				Revocations: func() []handshake.Revocation { return nil }, Apply: func([]handshake.Revocation) {},
				Clock:  func() time.Time { return time.Now().Add(c.ahead) },
				Logger: slog.New(slog.NewTextHandler(lineWriter(lines), nil)),
			})
			t.Cleanup(bus.Close)
			warned := false
			for line := range lines {
				warned = warned || strings.Contains(line, "the clocks of this node and of redis are apart")
				if strings.Contains(line, "are shared") { // comes after the comparison
					break
				}
			}
			if warned != c.warns {
				t.Errorf("warned: %v", warned)
			}
		})
	}
}

// lineWriter hands on each line of a log.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
