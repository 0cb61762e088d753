package scenario_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/bench/client"
	"gatehouse/bench/fake"
	"gatehouse/bench/scenario"
	"gatehouse/bench/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small are sizes for a server that breaks its promises at the fortieth message.
func small() scenario.Sizes {
	return scenario.Sizes{
		IdleConnections: 5, Settle: time.Millisecond,
		BurstMembers: 6, BurstMessages: 40,
		PacedMembers: 6, PacedMessages: 40, PacedRate: 200,
		LargeMessages: 40, AcksMessages: 20,
		Rooms: 30, RoomsMembers: 5, RoomsClients: 15, RoomsSeconds: 1,
		PollMembers: 6, PollMessages: 20, PollRate: 100,
		EchoConnections: 2, EchoRequests: 100,
		ManyConnections: 5, ManyIdle: time.Millisecond,
		ChurnCycles:   10,
		GrowthMembers: []int{4, 6}, GrowthDeliveries: 50,
	}
}

// run runs one scenario against a fake with the fault. This process stands in for
// the server's, as only its figures matter.
func run(t *testing.T, name string, fault fake.Fault) (scenario.Scenario, scenario.Values, error) {
	t.Helper()
	server, err := fake.Start(fault)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	loop, err := client.NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = loop.Close() }()
	for _, s := range scenario.All(small()) {
		if s.Name == name {
			values, err := s.Run(&scenario.Rig{
				Addr: server.Addr, Protocol: client.SocketIO{}, PID: os.Getpid(), Loop: loop, Patience: time.Second,
				Sign: token.NewSigner("secret", time.Now).Sign,
			})
			return s, values, err
		}
	}
	t.Fatalf("no scenario %q", name)
	return scenario.Scenario{}, nil, nil
}

func TestAnHonestServerGetsAllFigures(t *testing.T) {
	for name, fault := range map[string]fake.Fault{
		"idle": fake.None, "burst": fake.None, "paced": fake.Fragments, "large": fake.None, "rooms": fake.None,
		"acks": fake.None, "echo": fake.Fragments, "churn": fake.None, "growth": fake.None,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, values, err := run(t, name, fault)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range s.Metrics {
				if _, ok := values[m.ID]; !ok {
					t.Errorf("gives no %s", m.ID)
				}
			}
		})
	}
}

// reordered is said when one receiver of several got two messages in the other
// order. How often depends on whose order is the room's: that of who was first.
const reordered = `0 lost, 0 duplicated, [1-9]\d* out of order`

// The hall of a server that is several: its members take turns among the nodes,
// which here are two names of one fake.
func TestAHallIsHeldToAccountToo(t *testing.T) {
	for fault, want := range map[fake.Fault]string{fake.None: "", fake.Loses: "1 lost"} {
		server, err := fake.Start(fault)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		loop, err := client.NewLoop()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = loop.Close() }()
		rig := &scenario.Rig{
			Addr: server.Addr, Protocol: client.SocketIO{}, PID: os.Getpid(), Loop: loop, Patience: time.Second,
			Sign: token.NewSigner("secret", time.Now).Sign, Others: []scenario.Node{{Addr: server.Addr, PID: os.Getpid()}},
		}
		hall, err := scenario.OpenHall(rig, 6)
		if err != nil {
			t.Fatal(err)
		}
		run, err := hall.Burst(40)
		if want != "" {
			if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
				t.Errorf("the run gave %+v and the error %v, want one with %q", run, err, want)
			}
			continue
		}
		if err != nil || run.Deliveries != 240 || run.Messages != 40 || run.CPU <= 0 || run.Max < run.P50 {
			t.Errorf("the run gave %+v (%v), want 240 deliveries of 40 messages", run, err)
		}
	}
}

func TestABrokenPromiseMakesARunVoid(t *testing.T) {
	for _, tt := range []struct {
		name     string
		scenario string
		fault    fake.Fault
		want     string // in the error: a regular expression
	}{
		{"burst, lost", "burst", fake.Loses, "240 deliveries 1 lost, 0 duplicated"},
		{"burst, duplicated", "burst", fake.Duplicates, "0 lost, 1 duplicated"},
		{"burst, reordered", "burst", fake.Reorders, reordered},
		{"burst, hung up", "burst", fake.HangsUp, "connection lost"},
		{"paced, lost", "paced", fake.Loses, "1 lost"},
		{"paced, reordered", "paced", fake.Reorders, reordered},
		{"large, lost", "large", fake.Loses, "1 lost"},
		{"rooms, lost", "rooms", fake.Loses, "1 lost"},
		{"rooms, duplicated", "rooms", fake.Duplicates, "1 duplicated"},
		{"acks, lost", "acks", fake.Loses, "1 lost|39 heard"},
		{"growth, lost", "growth", fake.Loses, "1 lost"},
		{"echo, changed", "echo", fake.EchoesWrong, "echo wrong or out of order"},
		{"echo, reordered", "echo", fake.EchoesLate, "echo wrong or out of order"},
		{"churn, ghost", "churn", fake.KeepsGhosts, "still in its room"},
		{"refused", "idle", fake.Refuses, "token_invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, values, err := run(t, tt.scenario, tt.fault)
			if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("the run gave %v and the error %v, want one with %q", values, err, tt.want)
			}
		})
	}
}
