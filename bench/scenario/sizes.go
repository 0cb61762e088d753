package scenario

import "time"

// Sizes say how much work the scenarios do. A room has at least four members: the
// senders.
type Sizes struct {
	IdleConnections int           `json:"idleConnections"`
	Settle          time.Duration `json:"settleNs"` // before memory is read

	BurstMembers  int `json:"burstMembers"`
	BurstMessages int `json:"burstMessages"`

	PacedMembers  int `json:"pacedMembers"`
	PacedMessages int `json:"pacedMessages"`
	PacedRate     int `json:"pacedPerSecond"`

	EchoConnections int `json:"echoConnections"`
	EchoRequests    int `json:"echoRequests"` // of each connection

	ChurnCycles int `json:"churnCycles"`

	GrowthMembers    []int `json:"growthMembers"` // rising; at least two sizes
	GrowthDeliveries int   `json:"growthDeliveries"`
}

// Full gives the sizes of the figures that are quoted. The largest room keeps
// both ends under a limit of 10,000 open files each.
func Full() Sizes {
	return Sizes{
		IdleConnections: 5000, Settle: 6 * time.Second,
		BurstMembers: 1000, BurstMessages: 200,
		PacedMembers: 1000, PacedMessages: 200, PacedRate: 20,
		EchoConnections: 50, EchoRequests: 2000,
		ChurnCycles:   2000,
		GrowthMembers: []int{100, 1000, 3000, 9000}, GrowthDeliveries: 100_000,
	}
}

// Quick gives sizes that show whether everything works, and little about speed.
func Quick() Sizes {
	return Sizes{
		IdleConnections: 500, Settle: time.Second,
		BurstMembers: 200, BurstMessages: 60,
		PacedMembers: 200, PacedMessages: 40, PacedRate: 20,
		EchoConnections: 20, EchoRequests: 500,
		ChurnCycles:   200,
		GrowthMembers: []int{50, 200, 600}, GrowthDeliveries: 10_000,
	}
}
