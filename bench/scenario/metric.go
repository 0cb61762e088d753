package scenario

import "fmt"

// Values are the figures of one run by the ids of their metrics.
type Values map[string]float64

// Metric says what a figure is. Of every metric less is better.
type Metric struct {
	ID       string  `json:"id"`
	Scenario string  `json:"scenario"`
	Title    string  `json:"title"`
	Unit     string  `json:"unit"`
	Target   float64 `json:"target,omitempty"` // highest ratio to the reference peer; 0: none
	Within   float64 `json:"within,omitempty"` // highest value of the product itself; 0: none
}

// Scenario is one run against one server.
type Scenario struct {
	Name    string
	Metrics []Metric
	Run     func(*Rig) (Values, error)
}

// All gives the scenarios with the sizes.
func All(s Sizes) []Scenario {
	return []Scenario{
		{"idle", []Metric{
			{ID: "idle_kb", Title: "idle, admitted connection", Unit: "KB", Target: 0.25},
			{ID: "connect_us", Title: "connect, verify, admit", Unit: "µs", Target: 0.20},
		}, s.idle},
		{"burst", []Metric{{ID: "burst_us", Title: "fan-out burst, per delivery", Unit: "µs", Target: 0.35}}, s.burst},
		{"paced", []Metric{
			{ID: "paced_us", Title: "fan-out 20/s, per delivery", Unit: "µs", Target: 0.45},
			{ID: "paced_p50_ms", Title: "fan-out 20/s, median latency", Unit: "ms"},
			{ID: "paced_p99_ms", Title: "fan-out 20/s, p99 latency", Unit: "ms", Target: 0.70},
		}, s.paced},
		{"echo", []Metric{{ID: "echo_us", Title: "echo with acknowledgement", Unit: "µs", Target: 0.15}}, s.echo},
		{"churn", []Metric{{ID: "churn_us", Title: "connect, join, leave, close", Unit: "µs"}}, s.churn},
		{"growth", s.growthMetrics(), s.growth},
	}
}

// announced is up to how many users a room of the chat tells everybody who joins.
// Below it a join is a fan-out, above it the cost of a join itself shows.
const announced = 500

// growthMetrics names the figures of each size of room. Growth is flat when the
// largest room's delivery costs little more than that of the room one step above
// the smallest, where the cost of the sender no longer shows.
func (s Sizes) growthMetrics() []Metric {
	var metrics []Metric
	for _, n := range s.GrowthMembers {
		metrics = append(metrics,
			Metric{ID: fmt.Sprintf("growth_us_%d", n), Title: fmt.Sprintf("delivery, %d members", n), Unit: "µs"})
	}
	for i, n := range s.GrowthMembers {
		if i == 0 || s.GrowthMembers[i-1] < announced {
			continue
		}
		metrics = append(metrics,
			Metric{ID: fmt.Sprintf("growth_join_us_%d", n), Title: fmt.Sprintf("join, up to %d members", n), Unit: "µs"})
	}
	return append(metrics,
		Metric{ID: "growth_flat", Title: "delivery, largest to second", Unit: "×", Within: 1.25},
		Metric{ID: "growth_kb", Title: "member of the largest room", Unit: "KB"})
}
