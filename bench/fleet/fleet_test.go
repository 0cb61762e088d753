package fleet

import (
	"strings"
	"testing"
	"time"

	"gatehouse/bench/scenario"
)

// taken is a section of 100 broadcasts to ten members.
func taken(cpu time.Duration, calls int) []Section {
	return []Section{{
		Run:   scenario.Run{CPU: cpu, Messages: 100, Deliveries: 1000, P50: time.Millisecond, P99: 2 * time.Millisecond},
		Redis: 5 * time.Millisecond, Calls: map[string]int{"evalsha": calls, "xadd": 100, "xread": 250},
	}}
}

func TestTheTableSaysWhichTargetsHold(t *testing.T) {
	f := &Figures{
		Sizes:   Full(),
		One:     Server{Burst: taken(4*time.Millisecond, 0), Paced: taken(8*time.Millisecond, 0)},
		Several: Server{Burst: taken(5*time.Millisecond, 103), Paced: taken(12*time.Millisecond, 103)},
		Direct:  []int64{1e5, 2e5}, Handed: []int64{3e5, 11e5},
	}
	table := f.Markdown()
	for _, want := range []string{
		"| 1,000 members of one room | one node | 3 nodes and Redis | ratio | target | |",
		"| burst, CPU of all nodes per delivery, µs | 4.00 | 5.00 | 1.25× | ≤ 1.3× | holds |",
		"| 20 a second, CPU of all nodes per delivery, µs | 8.00 | 12.0 | 1.50× | ≤ 1.3× | missed |",
		"| burst, deliveries per second of a core | 250,000 | 200,000 | 0.80× |  |  |",
		"keeps and sends it |  | 1.03 |  | 1 | holds |",
		"reads of all nodes (`XREAD`) |  | 2.50 |",
		"| burst, CPU of Redis per broadcast, µs |  | 50.0 |",
		"p99, ms | 0.20 | 1.10 | 5.50× | ≤ 1.00 | missed |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	f.Several.Burst = taken(5*time.Millisecond, 200) // a second operation for each broadcast
	if !strings.Contains(f.Markdown(), "| 2.00 |  | 1 | missed |") {
		t.Errorf("two operations of a broadcast are not noticed:\n%s", f.Markdown())
	}
}

func TestCallsAreReadFromInfo(t *testing.T) {
	calls, err := parseCalls("# Commandstats\r\ncmdstat_xadd:calls=21,usec=175,usec_per_call=8.33\r\ncmdstat_pubsub|numsub:calls=2,usec=1\r\n")
	if err != nil || len(calls) != 2 || calls["xadd"] != 21 || calls["pubsub|numsub"] != 2 {
		t.Errorf("calls %v (%v)", calls, err)
	}
	if _, err := parseCalls("cmdstat_xadd:calls=many\r\n"); err == nil {
		t.Error("nonsense is read as calls")
	}
}
