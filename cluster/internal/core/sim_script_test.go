package core_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A script is a run of the simulation as text: the steps from outside, one a line, sorted by time. A person can edit it
// and run it again. Delays come from the seed in its first line and the name of the link, so that a removed step moves
// little else.
type script struct {
	seed  uint64
	nodes int
	steps []step
}

// step is one thing that happens: "120 n1 emit a".
type step struct {
	at   int // milliseconds
	node int // 0 is the broker
	verb string
	arg  string // room, or milliseconds
}

func (s script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d nodes %d\n", s.seed, s.nodes)
	for _, st := range s.steps {
		fmt.Fprintf(&b, "%d n%d %s %s\n", st.at, st.node, st.verb, st.arg)
	}
	return b.String()
}

// parseScript reads what String writes.
func parseScript(text string) (s script, err error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if _, err = fmt.Sscanf(lines[0], "seed %d nodes %d", &s.seed, &s.nodes); err != nil {
		return s, fmt.Errorf("line 1: %w", err)
	}
	for i, line := range lines[1:] {
		st := step{}
		if _, err := fmt.Sscanf(line, "%d n%d %s %s", &st.at, &st.node, &st.verb, &st.arg); err != nil {
			return s, fmt.Errorf("line %d: %w", i+2, err)
		}
		s.steps = append(s.steps, st)
	}
	return s, nil
}

const (
	busy  = 20_000 // milliseconds in which things happen
	quiet = 32_000 // milliseconds until everything must have settled
)

// generate makes a script of a seed: traffic at a pace, and a few faults.
func generate(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 1))
	s := script{seed: seed, nodes: 2 + r.IntN(3)}
	traffic := []string{"emit", "emit", "emit", "emit", "direct", "direct", "burst", "ask", "drop", "back", "enter", "leave", "tell", "address"}
	rooms := []string{"a", "b", "c"}
	gap := 5 + r.IntN(200)
	for at := 100; at < busy; at += 1 + r.IntN(2*gap) {
		s.steps = append(s.steps, step{at, 1 + r.IntN(s.nodes), traffic[r.IntN(len(traffic))], rooms[r.IntN(len(rooms))]})
	}
	faults := []string{"cut-write", "cut-read", "cut-signal", "pause", "slow", "outage", "failover", "failover", "kill", "start", "strand", "fresh", "behind", "behind", "behind"}
	for range r.IntN(8) {
		verb := faults[r.IntN(len(faults))]
		st := step{500 + r.IntN(busy-500), 1 + r.IntN(s.nodes), verb, fmt.Sprint(10 + r.IntN(1+r.IntN(6000)))}
		switch verb {
		case "outage", "failover":
			st.node = 0
		case "strand":
			s.strand(st.at, st.node, r)
			continue
		case "fresh":
			s.fresh(st.at, st.node, r)
			continue
		case "behind":
			s.behind(st.at, st.node, r)
			continue
		}
		s.insert(st)
	}
	return s
}

// strand lets clients come to a node that is alone, and to other nodes when it is not alone any more.
func (s *script) strand(at, node int, r *rand.Rand) {
	s.insert(step{at, node, "cut-write", "2400"})
	s.insert(step{at + 10, node, "emit", "a"})
	for range 4 {
		s.insert(step{at + 2210 + r.IntN(190), node, "back", "-"})
		s.insert(step{at + 2430 + r.IntN(200), 1 + r.IntN(s.nodes), "back", "-"})
	}
}

// fresh has a node that has just started lose its connection, and clients come to it that were taken over elsewhere before it
// started, and have broken off since.
func (s *script) fresh(at, node int, r *rand.Rand) {
	other := node%s.nodes + 1
	s.insert(step{at, node, "kill", "-"})
	s.insert(step{at + 120, node, "start", "-"})
	s.insert(step{at + 300, node, "cut-read", "10"})
	for range 6 {
		s.insert(step{at + 10 + r.IntN(40), 1 + r.IntN(s.nodes), "back", "-"})
		s.insert(step{at + 100 + r.IntN(80), other, "drop", "-"})
		s.insert(step{at + 150 + r.IntN(100), other, "emit", "a"})
		s.insert(step{at + 350 + r.IntN(100), node, "back", "-"})
	}
}

// behind has a failover lose entries that all nodes but one have read, and clients of that one come to the others before the node
// that wrote them is back and shows that they are missing, or right after it, when that one cannot say so yet.
func (s *script) behind(at, node int, r *rand.Rand) {
	writer, other := node%s.nodes+1, (node+1)%s.nodes+1
	s.insert(step{at, node, "slow", "300"})
	for range 6 {
		s.insert(step{at - 1 - r.IntN(100), node, "back", "-"})
		s.insert(step{at + 40 + r.IntN(35), writer, "emit", "a"})
		s.insert(step{at + 110 + r.IntN(100), other, "emit", "a"})
		s.insert(step{at + 200 + r.IntN(400), other, "back", "-"})
		s.insert(step{at + 620 + r.IntN(60), node, "back", "-"})
		s.insert(step{at + 720 + r.IntN(150), other, "back", "-"})
	}
	s.insert(step{at + 100, 0, "failover", "5"})
	s.insert(step{at + 99, writer, "cut-write", "600"})
	s.insert(step{at + 690, node, "cut-write", "200"})
}

func (s *script) insert(st step) {
	i := 0
	for i < len(s.steps) && s.steps[i].at <= st.at {
		i++
	}
	s.steps = append(s.steps[:i], append([]step{st}, s.steps[i:]...)...)
}
