package namespaces

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gatehouse/packet"
)

// Config is the configuration of a [Hub]. A field that is zero has the default named with it.
type Config struct {
	// Gate identifies clients, unless a namespace has its own ([WithGate]). Required when one has not.
	Gate Gate
	// Rechecker is asked about every identity, also those that a namespace's own gate gave: before its admission and at the
	// end of it, and at the end of a refresh. It keeps out who is revoked. May be nil.
	Rechecker Rechecker
	// Logger takes what handlers and middleware did wrong; nil means slog.Default().
	Logger *slog.Logger
	// Hooks are told what happens, each of them of everything.
	Hooks []Hooks
	// Adapter makes the adapter of a namespace, around what acts on the sockets of this node; nil is for one node. The
	// context lives until the adapter has been closed.
	Adapter func(ctx context.Context, local Local) (Adapter, error)
	// Random is the source of socket ids: crypto/rand.
	Random io.Reader

	// AnswerUnknownEvents has the acknowledgement of an event without a handler say "unknown_event". Otherwise there is none,
	// as on Node's server, so that a client with a timeout fails instead of taking the answer for a result.
	AnswerUnknownEvents bool
	// Development tells clients which argument of an event could not be decoded, and logs what they did wrong as warnings.
	Development bool

	// Recovery is what is kept for clients whose transport is lost: nothing.
	Recovery Recovery

	// Packet limits what one packet may hold.
	Packet packet.Limits

	// ConnectTimeout is how long a connection may be in no namespace before it is closed: 10 s.
	ConnectTimeout time.Duration
	// MaxPending is how many connections may be in no namespace at once; one more closes the oldest of them: 16,384.
	MaxPending int
	// AdmitTimeout limits one admission, after which it is refused as "unavailable": 8 s.
	AdmitTimeout time.Duration
	// AckTimeout is how long a client has to acknowledge where the caller's context has no deadline: 30 s.
	AckTimeout time.Duration

	// AttachmentTimeout is how long the next attachment of a packet may take before the connection is closed: 30 s.
	AttachmentTimeout time.Duration

	// MaxNamespaces is how many namespaces one connection may be in; one more is refused: 32.
	MaxNamespaces int
	// MaxAdmissions is how many admissions of one connection run at once; the others wait: 4.
	MaxAdmissions int
	// MaxConnects is how many CONNECTs of one connection are looked at within a minute; more are refused as "rate_limited":
	// 256.
	MaxConnects int
	// MaxRefusals is how many CONNECTs in a row a connection may have refused before it is closed: 16.
	MaxRefusals int
	// MaxRooms is how many rooms one socket may be in: 1,024.
	MaxRooms int
	// MaxRoomName is the longest name of a room, in bytes: 512.
	MaxRoomName int

	// MaxPerUser is how many connections of one user (issuer and subject) there may be on this node, counted once admitted;
	// when there is one more, the oldest ends by DISCONNECT: no limit.
	MaxPerUser int

	// UserHandlers is how many sockets of one user (issuer and subject; who has no subject counts by address, IPv6 by /64) have
	// handlers that run at once; the others take turns. While they wait and processors are free, it grows up to
	// MaxUserHandlers: 16 and 1,024.
	UserHandlers, MaxUserHandlers int

	// SocketEvents and SocketBytes are how many packets one socket may send in a second, and of how many bytes, and ten times
	// as much at once: 2,000 and 16 MiB. UserEvents and UserBytes are the same for all sockets of a user (who that is, see
	// UserHandlers): 20,000 and 64 MiB. Nothing above them is refused: the connection is read more slowly.
	SocketEvents, SocketBytes int
	UserEvents, UserBytes     int

	// ExpiryNotice is how long before the end of its identity a client gets "auth:expiring", or when a quarter of the time
	// that it had at its admission is left, whichever is later: 60 s.
	ExpiryNotice time.Duration
	// ExpiryGrace is how long after the end of its identity a socket ends that has not been refreshed: 5 s.
	ExpiryGrace time.Duration
	// RefreshBurst is how many times a socket may try to refresh its identity at once, RefreshInterval how often after
	// that; more is answered with "rate_limited": 8 and 5 s.
	RefreshBurst    int
	RefreshInterval time.Duration

	// QueueEvents and QueueBytes are how many events of one connection may wait for their handlers before reading from it
	// pauses; it goes on at half: 1,024 and 1 MiB.
	QueueEvents, QueueBytes int
	// HardQueueEvents and HardQueueBytes end a connection. They can be reached while a handler awaits its own client, and by
	// what had been read before the pause: 16,384 and 8 MiB.
	HardQueueEvents, HardQueueBytes int
}

// withDefaults returns the configuration with its zero fields filled.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	c.Recovery.setDefaults()
	fill(&c.ConnectTimeout, 10*time.Second)
	fill(&c.AdmitTimeout, 8*time.Second)
	fill(&c.AckTimeout, 30*time.Second)
	fill(&c.AttachmentTimeout, 30*time.Second)
	fill(&c.MaxPending, 16384)
	fill(&c.MaxNamespaces, 32)
	fill(&c.MaxAdmissions, 4)
	fill(&c.MaxConnects, 256)
	fill(&c.MaxRefusals, 16)
	fill(&c.MaxRooms, 1024)
	fill(&c.MaxRoomName, 512)
	fill(&c.UserHandlers, 16)
	fill(&c.MaxUserHandlers, max(1024, c.UserHandlers))
	fill(&c.SocketEvents, 2000)
	fill(&c.SocketBytes, 16<<20)
	fill(&c.UserEvents, 20_000)
	fill(&c.UserBytes, 64<<20)
	fill(&c.ExpiryNotice, 60*time.Second)
	fill(&c.ExpiryGrace, 5*time.Second)
	fill(&c.RefreshBurst, 8)
	fill(&c.RefreshInterval, 5*time.Second)
	fill(&c.QueueEvents, 1024)
	fill(&c.QueueBytes, 1<<20)
	fill(&c.HardQueueEvents, 16*c.QueueEvents)
	fill(&c.HardQueueBytes, 8*c.QueueBytes)
	return c
}

func fill[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// check refuses what cannot work. It sees the configuration with its defaults.
func (c Config) check() error {
	var faults []error
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"ConnectTimeout", int64(c.ConnectTimeout)}, {"AdmitTimeout", int64(c.AdmitTimeout)},
		{"AckTimeout", int64(c.AckTimeout)}, {"AttachmentTimeout", int64(c.AttachmentTimeout)}, {"MaxPending", int64(c.MaxPending)},
		{"MaxNamespaces", int64(c.MaxNamespaces)}, {"MaxAdmissions", int64(c.MaxAdmissions)},
		{"MaxConnects", int64(c.MaxConnects)}, {"MaxRefusals", int64(c.MaxRefusals)}, {"MaxRooms", int64(c.MaxRooms)},
		{"MaxRoomName", int64(c.MaxRoomName)}, {"QueueEvents", int64(c.QueueEvents)},
		{"QueueBytes", int64(c.QueueBytes)}, {"MaxPerUser", int64(c.MaxPerUser)},
		{"UserHandlers", int64(c.UserHandlers)}, {"MaxUserHandlers", int64(c.MaxUserHandlers)},
		{"SocketEvents", int64(c.SocketEvents)}, {"SocketBytes", int64(c.SocketBytes)},
		{"UserEvents", int64(c.UserEvents)}, {"UserBytes", int64(c.UserBytes)},
		{"ExpiryNotice", int64(c.ExpiryNotice)}, {"ExpiryGrace", int64(c.ExpiryGrace)},
		{"Recovery.For", int64(c.Recovery.For)}, {"Recovery.Messages", int64(c.Recovery.Messages)},
		{"Recovery.Bytes", int64(c.Recovery.Bytes)}, {"Recovery.Parked", int64(c.Recovery.Parked)},
		{"RefreshBurst", int64(c.RefreshBurst)}, {"RefreshInterval", int64(c.RefreshInterval)},
	} {
		if limit.value < 0 {
			faults = append(faults, fmt.Errorf("%s is negative", limit.name))
		}
	}
	if c.HardQueueEvents < c.QueueEvents || c.HardQueueBytes < c.QueueBytes {
		faults = append(faults, errors.New("HardQueueEvents and HardQueueBytes are below QueueEvents and QueueBytes"))
	}
	if c.HardQueueBytes > 1<<30 {
		faults = append(faults, errors.New("HardQueueBytes is above 1 GiB"))
	}
	if c.Recovery.Messages > 1<<20 || c.Recovery.Bytes > 1<<30 {
		faults = append(faults, errors.New("Recovery.Messages is above 1,048,576, or Recovery.Bytes above 1 GiB"))
	}
	if c.MaxUserHandlers < c.UserHandlers {
		faults = append(faults, errors.New("MaxUserHandlers is below UserHandlers"))
	}
	return errors.Join(faults...)
}
