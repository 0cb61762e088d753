package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Check finds what is wrong with a configuration whose defaults are filled in.
// It reads the key files that the configuration names. The error says for each
// mistake the key, what is wrong and what to do; it is
// [handshake.ErrNoVerifier] when all else is good and nobody could sign in.
func (c Config) Check() error {
	_, proxies := c.proxies()
	err := errors.Join(
		c.checkAddr(),
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "json", "console"),
		oneOf("sockets.unknown_events", c.Sockets.UnknownEvents, ignoreUnknown, answerUnknown),
		oneOf("history.fsync", c.History.Fsync, history.FsyncAlways, history.FsyncInterval),
		c.Compression.check(), oneOf("engine.io_uring", c.Engine.IOUring, ioUringAuto, ioUringOff),
		proxies, c.checkDurations(), c.checkSizes(), c.checkTogether(), c.checkDoor(), c.checkRelays(), underKey("api", c.API.Check()),
	)
	gate, gateErr := handshake.NewGate(c.gate())
	switch {
	case gateErr == nil:
		gate.Close()
		return err
	case err != nil && errors.Is(gateErr, handshake.ErrNoVerifier):
		return err
	}
	return errors.Join(err, gateErr)
}

// gate is the part of the configuration that says who is let in.
func (c Config) gate() handshake.GateConfig {
	origins := c.Origins
	origins.AllowLocalhost = origins.AllowLocalhost || c.Dev
	origins.LoopbackOnly = c.Dev
	auth := c.Auth
	auth.Namespaces = slices.Concat(auth.Namespaces, c.methods())
	return handshake.GateConfig{
		Auth:          auth,
		JWT:           c.JWT,
		Issuers:       c.Issuers,
		Origins:       origins,
		Tickets:       c.Tickets,
		Subprotocol:   c.Subprotocol,
		Cookie:        c.Cookie,
		Basic:         c.Basic,
		Certificate:   c.Certificate,
		ProxyHeader:   c.ProxyHeader,
		Callback:      c.Callback,
		Introspection: c.Introspection,
		Revocation:    c.Revocation,
		Deps:          handshake.Deps{Verifiers: c.Verifiers, Logger: slog.New(slog.DiscardHandler)},
	}
}

// setGate takes the settings of a gate over; it is the reverse of gate.
func (c *Config) setGate(g handshake.GateConfig) {
	c.Auth = g.Auth
	c.JWT = g.JWT
	c.Issuers = g.Issuers
	c.Origins = g.Origins
	c.Tickets = g.Tickets
	c.Subprotocol = g.Subprotocol
	c.Cookie = g.Cookie
	c.Basic = g.Basic
	c.Certificate = g.Certificate
	c.ProxyHeader = g.ProxyHeader
	c.Callback = g.Callback
	c.Introspection = g.Introspection
	c.Revocation = g.Revocation
}

func (c Config) checkAddr() error {
	return checkHostPort("addr", c.Addr, "127.0.0.1:3000 or :3000")
}

// checkHostPort refuses what nobody can listen at.
func checkHostPort(key, addr, example string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s: %q is not HOST:PORT; write an address such as %s", key, addr, example)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s: %q has no port from 0 to 65535; write an address such as %s", key, addr, example)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is unknown; write one of %s", key, value, strings.Join(allowed, ", "))
}

// proxies reads the list of trusted proxies.
func (c Config) proxies() (handshake.TrustedProxies, error) {
	proxies, err := handshake.ParseTrustedProxies(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	for i, p := range proxies {
		if p.Bits() == 0 {
			return nil, fmt.Errorf("trusted_proxies: %s trusts everybody, so that any client could claim any address; list your proxies only", c.TrustedProxies[i])
		}
	}
	return proxies, nil
}

func (c Config) checkDurations() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"engine.ping_interval", c.Engine.PingInterval},
		{"engine.ping_timeout", c.Engine.PingTimeout},
		{"engine.upgrade_timeout", c.Engine.UpgradeTimeout},
		{"engine.close_timeout", c.Engine.CloseTimeout},
		{"engine.pause_timeout", c.Engine.PauseTimeout},
		{"engine.message_timeout", c.Engine.MessageTimeout},
		{"engine.outbox_age", c.Engine.OutboxAge},
		{"handshake.timeout", c.Handshake.Timeout},
		{"handshake.admit_timeout", c.Handshake.AdmitTimeout},
		{"session.expiry_notice", c.Session.ExpiryNotice},
		{"session.expiry_grace", c.Session.ExpiryGrace},
		{"session.refresh_interval", c.Session.RefreshInterval},
		{"sockets.ack_timeout", c.Sockets.AckTimeout},
		{"http.read_header_timeout", c.HTTP.ReadHeaderTimeout},
		{"http.idle_timeout", c.HTTP.IdleTimeout},
		{"history.interval", c.History.Interval},
		{"drain.timeout", c.Drain.Timeout},
		{"drain.spread", c.Drain.Spread},
	} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s: %v is too short; write a duration such as 10s", d.key, d.value))
		}
	}
	return errors.Join(errs...)
}

// most is far above every useful value and far below what would overflow where
// limits are multiplied.
const most = 1 << 30

func (c Config) checkSizes() error {
	var errs []error
	for _, s := range []struct {
		key            string
		value, highest int
	}{
		{"engine.max_payload", c.Engine.MaxPayload, most},
		{"engine.outbox_bytes", c.Engine.OutboxBytes, most},
		{"engine.outbox_total", c.Engine.OutboxTotal, math.MaxInt},
		{"engine.incoming_total", c.Engine.IncomingTotal, math.MaxInt},
		{"engine.incoming_share", c.Engine.IncomingShare, math.MaxInt},
		{"handshake.max_payload", c.Handshake.MaxPayload, most},
		{"handshake.outbox_bytes", c.Handshake.OutboxBytes, most},
		{"handshake.max_packets", c.Handshake.MaxPackets, most},
		{"handshake.max_pending", c.Handshake.MaxPending, most},
		{"handshake.max_connects", c.Handshake.MaxConnects, most},
		{"handshake.max_refusals", c.Handshake.MaxRefusals, most},
		{"session.refresh_burst", c.Session.RefreshBurst, most},
		{"recovery.messages", c.Recovery.Messages, namespaces.MaxRecoveryMessages},
		{"recovery.bytes", c.Recovery.Bytes, most},
		{"recovery.parked", c.Recovery.Parked, most},
		{"limits.socket_events", c.Limits.SocketEvents, most},
		{"limits.socket_bytes", c.Limits.SocketBytes, most},
		{"limits.user_events", c.Limits.UserEvents, most},
		{"limits.user_bytes", c.Limits.UserBytes, most},
		{"sockets.max_namespaces", c.Sockets.MaxNamespaces, most},
		{"sockets.max_rooms", c.Sockets.MaxRooms, most},
		{"sockets.queue_events", c.Sockets.QueueEvents, most},
		{"sockets.queue_bytes", c.Sockets.QueueBytes, most},
		{"packet.max_attachments", c.Packet.MaxAttachments, packet.HighestMaxAttachments},
		{"packet.max_depth", c.Packet.MaxDepth, packet.HighestMaxDepth},
		{"packet.max_event_name", c.Packet.MaxEventName, packet.HighestMaxEventName},
		{"http.max_header_bytes", c.HTTP.MaxHeaderBytes, most},
		{"history.bytes", c.History.Bytes, math.MaxInt},
	} {
		if s.value < 1 || s.value > s.highest {
			errs = append(errs, fmt.Errorf("%s: %d is out of range; write a number from 1 to %d", s.key, s.value, s.highest))
		}
	}
	return errors.Join(errs...)
}

// leastHead is the smallest http.max_header_bytes. net/http takes 4 KiB more than
// it is told; the engine, where it reads a head by itself, takes 8 KiB.
const leastHead = 4 << 10

// checkTogether refuses values that are good alone and bad together.
func (c Config) checkTogether() error {
	var errs []error
	refuse := func(wrong bool, format string, values ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, values...))
		}
	}
	refuse(c.Recovery.For != 0 && c.Recovery.For < time.Second,
		"recovery.for: %v is too short; write a duration such as 2m, or 0 for none", c.Recovery.For)
	refuse(c.Drain.Delay < 0, "drain.delay: %v is negative; write a duration such as 10s, or 0 for none", c.Drain.Delay)
	refuse(c.Drain.Delay+c.Drain.Spread+c.Engine.CloseTimeout > c.Drain.Timeout,
		"drain.timeout: %v is shorter than drain.delay, drain.spread and engine.close_timeout together (%v); make it longer", c.Drain.Timeout, c.Drain.Delay+c.Drain.Spread+c.Engine.CloseTimeout)
	refuse(c.HTTP.MaxHeaderBytes < leastHead,
		"http.max_header_bytes: %d is less than the request of an ordinary browser may have; write %d or more", c.HTTP.MaxHeaderBytes, leastHead)
	refuse(c.Handshake.AdmitTimeout > c.Handshake.Timeout,
		"handshake.admit_timeout: %v is longer than handshake.timeout (%v); make it shorter", c.Handshake.AdmitTimeout, c.Handshake.Timeout)
	refuse(c.Handshake.MaxPayload > c.Engine.MaxPayload,
		"handshake.max_payload: %d is above engine.max_payload (%d); make it smaller", c.Handshake.MaxPayload, c.Engine.MaxPayload)
	refuse(c.Engine.OutboxBytes < c.Engine.MaxPayload,
		"engine.outbox_bytes: %d cannot hold one message of engine.max_payload (%d); make it larger", c.Engine.OutboxBytes, c.Engine.MaxPayload)
	refuse(c.Engine.OutboxTotal < 4*c.Engine.OutboxBytes,
		"engine.outbox_total: %d is less than four clients may hold by engine.outbox_bytes (%d); make it larger", c.Engine.OutboxTotal, c.Engine.OutboxBytes)
	refuse(c.Engine.IncomingShare > c.Engine.IncomingTotal,
		"engine.incoming_share: %d is above engine.incoming_total (%d); make it smaller", c.Engine.IncomingShare, c.Engine.IncomingTotal)
	refuse(c.Engine.IncomingShare < 2*c.Engine.MaxPayload,
		"engine.incoming_share: %d cannot hold two messages of engine.max_payload (%d); make it larger", c.Engine.IncomingShare, c.Engine.MaxPayload)
	refuse(c.Sockets.HardQueueEvents < c.Sockets.QueueEvents,
		"sockets.hard_queue_events: %d is below sockets.queue_events (%d), where reading only pauses; make it larger", c.Sockets.HardQueueEvents, c.Sockets.QueueEvents)
	refuse(c.Sockets.HardQueueBytes < c.Sockets.QueueBytes,
		"sockets.hard_queue_bytes: %d is below sockets.queue_bytes (%d), where reading only pauses; make it larger", c.Sockets.HardQueueBytes, c.Sockets.QueueBytes)
	return errors.Join(errs...)
}
