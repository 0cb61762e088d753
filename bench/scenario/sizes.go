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

	LargeMessages int `json:"largeMessages"` // to a room of BurstMembers
	AcksMessages  int `json:"acksMessages"`  // to a room of PacedMembers, meanwhile

	Rooms        int `json:"rooms"`
	RoomsMembers int `json:"roomsMembers"` // of each room
	RoomsClients int `json:"roomsClients"` // in all: a multiple of RoomsMembers, and each is in as many rooms
	RoomsSeconds int `json:"roomsSeconds"` // with a message in each room

	PollMembers  int `json:"pollMembers"`
	PollMessages int `json:"pollMessages"`
	PollRate     int `json:"pollPerSecond"`

	EchoConnections int `json:"echoConnections"`
	EchoRequests    int `json:"echoRequests"` // of each connection

	ChurnCycles int `json:"churnCycles"`

	ManyConnections int           `json:"manyConnections"`
	ManyIdle        time.Duration `json:"manyIdleNs"` // two pings of each connection, or none in small

	GrowthMembers    []int `json:"growthMembers"` // rising; at least two sizes
	GrowthDeliveries int   `json:"growthDeliveries"`
}

// Full returns the sizes of the figures that are quoted. The largest room stays below
// the 12,500 connections that Gatehouse takes where 20,000 files may be open.
func Full() Sizes {
	return Sizes{
		IdleConnections: 5000, Settle: 4 * time.Second,
		BurstMembers: 1000, BurstMessages: 200,
		PacedMembers: 1000, PacedMessages: 120, PacedRate: 20,
		LargeMessages: 60, AcksMessages: 60,
		Rooms: 200, RoomsMembers: 50, RoomsClients: 2000, RoomsSeconds: 5,
		PollMembers: 300, PollMessages: 32, PollRate: 8,
		EchoConnections: 50, EchoRequests: 2000,
		ManyConnections: 18_000, ManyIdle: 50 * time.Second,
		ChurnCycles:   2000,
		GrowthMembers: []int{100, 1000, 3000, 10_000}, GrowthDeliveries: 100_000,
	}
}

// Quick returns sizes that show whether everything works, and little about speed.
func Quick() Sizes {
	return Sizes{
		IdleConnections: 500, Settle: time.Second,
		BurstMembers: 200, BurstMessages: 60,
		PacedMembers: 200, PacedMessages: 40, PacedRate: 20,
		LargeMessages: 20, AcksMessages: 20,
		Rooms: 20, RoomsMembers: 10, RoomsClients: 50, RoomsSeconds: 2,
		PollMembers: 40, PollMessages: 16, PollRate: 8,
		EchoConnections: 20, EchoRequests: 500,
		ManyConnections: 1000, ManyIdle: 2 * time.Second,
		ChurnCycles:   200,
		GrowthMembers: []int{50, 200, 600}, GrowthDeliveries: 10_000,
	}
}
