package scenario

import "fmt"

// Values are the figures of one run by the ids of their metrics.
type Values map[string]float64

// Metric says what a figure is. Of every metric less is better.
type Metric struct {
	ID       string   `json:"id"`
	Scenario string   `json:"scenario"`
	Title    string   `json:"title"`
	Unit     string   `json:"unit"`
	Targets  []Target `json:"targets,omitempty"`
	Within   float64  `json:"within,omitempty"` // highest value of the product itself; 0: none
}

// Target is the highest ratio of the product's figure to a peer's.
type Target struct {
	Peer  string  `json:"peer"`
	Ratio float64 `json:"ratio"`
}

// The peers that targets refer to.
const (
	node  = "node"
	uws   = "uws"
	floor = "floor"
)

// Scenario is one run against one server.
type Scenario struct {
	Name    string
	Metrics []Metric
	Run     func(*Rig) (Values, error)
	Secure  bool   // under TLS
	Plain   string // the name of the same without TLS
}

// secured begins the names of scenarios under TLS and of their metrics.
const secured = "tls"

// Secured returns each scenario as it is under TLS, where only what the product
// itself holds has a target.
func Secured(plain []Scenario) []Scenario {
	var all []Scenario
	for _, s := range plain {
		twin := Scenario{Name: secured + "-" + s.Name, Plain: s.Name, Secure: true}
		for _, m := range s.Metrics {
			m.ID, m.Title, m.Targets = secured+"_"+m.ID, "TLS: "+m.Title, nil
			if m.ID == secured+"_idle_kb" {
				m.Within = 14
			}
			twin.Metrics = append(twin.Metrics, m)
		}
		twin.Run = func(r *Rig) (Values, error) {
			values, err := s.Run(r)
			if err != nil {
				return nil, err
			}
			under := Values{}
			for id, v := range values {
				under[secured+"_"+id] = v
			}
			return under, nil
		}
		all = append(all, twin)
	}
	return all
}

// All returns the scenarios with the sizes.
func All(s Sizes) []Scenario {
	all := []Scenario{
		{Name: "idle", Metrics: []Metric{
			{ID: "idle_kb", Title: "idle, admitted connection", Unit: "KB", Targets: []Target{{node, 0.20}}},
			{ID: "connect_us", Title: "connect, verify, admit", Unit: "µs", Targets: []Target{{node, 0.20}}},
		}, Run: s.idle},
		{Name: "burst", Metrics: []Metric{{ID: "burst_us", Title: "fan-out burst, per delivery", Unit: "µs", Targets: []Target{{uws, 0.90}}}}, Run: s.burst},
		{Name: "paced", Metrics: []Metric{
			{ID: "paced_us", Title: "fan-out 20/s, per delivery", Unit: "µs", Targets: []Target{{uws, 0.95}, {floor, 1.05}}},
			{ID: "paced_p50_ms", Title: "fan-out 20/s, median latency", Unit: "ms"},
			{ID: "paced_p99_ms", Title: "fan-out 20/s, p99 latency", Unit: "ms", Targets: []Target{{node, 0.70}}},
		}, Run: s.paced},
		{Name: "large", Metrics: []Metric{{ID: "large_us", Title: "fan-out burst of 2 KB, per delivery", Unit: "µs"}}, Run: s.large},
		{Name: "rooms", Metrics: []Metric{
			{ID: "rooms_us", Title: s.roomsTitle() + ", per delivery", Unit: "µs"},
			{ID: "rooms_p50_ms", Title: "their median latency", Unit: "ms"},
			{ID: "rooms_p99_ms", Title: "their p99 latency", Unit: "ms"},
		}, Run: s.rooms},
		{Name: "acks", Metrics: []Metric{
			{ID: "acks_p50_ms", Title: "acknowledgement beside a fan-out, median", Unit: "ms"},
			{ID: "acks_p99_ms", Title: "acknowledgement beside a fan-out, p99", Unit: "ms"},
		}, Run: s.acks},
		{Name: "poll", Metrics: []Metric{
			{ID: "poll_us", Title: "fan-out to long-polling clients, per delivery", Unit: "µs"},
			{ID: "poll_p50_ms", Title: "its median latency", Unit: "ms"},
			{ID: "poll_p99_ms", Title: "its p99 latency", Unit: "ms"},
		}, Run: s.poll},
		{Name: "echo", Metrics: []Metric{{ID: "echo_us", Title: "echo with acknowledgement", Unit: "µs", Targets: []Target{{node, 0.12}}}}, Run: s.echo},
		{Name: "churn", Metrics: []Metric{{ID: "churn_us", Title: "connect, join, leave, close", Unit: "µs"}}, Run: s.churn},
		{Name: "growth", Metrics: s.growthMetrics(), Run: s.growth},
		{Name: "many", Metrics: []Metric{
			{ID: "many_start_ms", Title: "from the start until the server listens", Unit: "ms"},
			{ID: "many_kb", Title: fmt.Sprintf("%d idle connections, each", s.ManyConnections), Unit: "KB", Within: 3.3},
			{ID: "many_us_s", Title: "their pings, each connection in a second", Unit: "µs", Within: 1.0},
			{ID: "many_storm_us", Title: "a storm in which all come again, each", Unit: "µs"},
			{ID: "many_storm_s", Title: "its duration", Unit: "s"},
			{ID: "many_drain_s", Title: "until the server has let all go", Unit: "s"},
		}, Run: s.many},
	}
	for i := range all {
		all[i].Plain = all[i].Name
	}
	return all
}

func (s Sizes) roomsTitle() string { return fmt.Sprintf("%d rooms of %d", s.Rooms, s.RoomsMembers) }

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
