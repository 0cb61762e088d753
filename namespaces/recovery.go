package namespaces

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/packet"
)

// Recovery says what a hub keeps for clients whose transport is lost (Socket.IO's connection state recovery). A socket whose
// client comes back in time goes on with its id, rooms and data, and with what it was sent meanwhile. The zero value is off
// and costs nothing.
//
// Messages older than twice For are not kept, whatever Messages and Bytes allow.
type Recovery struct {
	For      time.Duration `koanf:"for" derived:"off" min:"0s" doc:"how long a client may be away and still go on where it stopped"`
	Messages int           `koanf:"messages" default:"256" max:"1048576" doc:"how many messages are kept of what each socket was sent; what a broadcast sends to many is kept once"`
	Bytes    int           `koanf:"bytes" default:"256KiB" unit:"bytes" doc:"their bytes"`
	Parked   int           `koanf:"parked" default:"10000" doc:"sockets that may wait for their clients at once; one more ends the oldest of the user who has most of them"`
}

func (r *Recovery) on() bool { return r.For > 0 }

// RecoveryFailure is why a client that came back was admitted as a new one.
type RecoveryFailure string

// The reasons. They are few and fixed, so that metrics can name them.
const (
	// FailureUnknown: there is no such session, or no longer: the client was away for too long, its session ended meanwhile,
	// the server was restarted, or the client made the session up.
	FailureUnknown RecoveryFailure = "unknown"
	// FailureUser: the session is another user's.
	FailureUser RecoveryFailure = "user"
	// FailureOffset: the client's offset is not known, or so old that not all later messages are kept.
	FailureOffset RecoveryFailure = "offset"
)

// A private id is a socket's public id with a secret behind it. A client that has it, and signs in as the same user,
// gets the socket's messages.
const (
	secretBytes  = 16
	idLength     = (idBytes*8 + 5) / 6
	secretLength = (secretBytes*8 + 5) / 6
	maxOffset    = 128 // how many bytes an offset that a client brings may have
)

// offsets gives the events of a namespace their offsets. Offsets are compared for equality only. A random beginning
// keeps them apart from those before a restart.
type offsets struct {
	epoch string // "" while recovery is off; fixed once mounted
	count atomic.Uint64
}

func (o *offsets) init(random io.Reader) error {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return fmt.Errorf("make epoch of offsets: %w", err)
	}
	b[0] &= 1<<7 - 1 // begins with a letter, which places of other nodes never do
	o.epoch = base64.RawURLEncoding.EncodeToString(b[:])
	return nil
}

func (o *offsets) next() string {
	const base = 36
	b := append(make([]byte, 0, 24), o.epoch...)
	return string(strconv.AppendUint(b, o.count.Add(1), base))
}

// recovers reports whether events of the namespace are kept for clients that come back.
func (ns *Namespace) recovers() bool { return ns.offsets.epoch != "" }

// stamp gives an event its offset, unless it has one. As on Node's server, events that ask for an acknowledgement and
// volatile events have none. But a client takes the last argument for the offset if it is a string. A volatile event
// that ends in a string therefore gets an offset too, so that the client does not lose its place.
func (ns *Namespace) stamp(p *packet.Packet, flags Flags) {
	switch {
	case !hasOffset(p, flags):
		p.Offset = ""
	case p.Offset == "":
		p.Offset = ns.offsets.next()
	}
}

// hasOffset reports whether an event gets an offset.
func hasOffset(p *packet.Packet, flags Flags) bool {
	return p.Type == packet.Event && !p.HasID && (flags&Volatile == 0 || endsInString(p))
}

// endsInString reports whether the last element of an event, its name included, is a string.
func endsInString(p *packet.Packet) bool {
	n := p.Args.Len()
	return n == 0 || p.Args.Raw(n - 1)[0] == '"'
}

// Recovered reports whether the socket goes on where an earlier socket with the same id stopped: it has that socket's
// rooms and data, and its client has been sent the events that it had missed. During admission it says that this is
// about to happen.
func (s *Socket) Recovered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recoveredLocked()
}

// recoveredLocked is Recovered with mu held.
func (s *Socket) recoveredLocked() bool {
	if s.kept != nil {
		return s.kept.recovered
	}
	return s.exit != nil && s.exit.recovered
}

// privateID is the client's proof that the socket was its own. It is a secret and in no log.
func (s *Socket) privateID() string { return s.id + s.kept.text() }

// proves reports whether a client has brought the right secret.
func (t *tail) proves(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(t.text())) == 1
}

func (t *tail) text() string { return base64.RawURLEncoding.EncodeToString(t.secret[:]) }
