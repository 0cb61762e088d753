package server

import (
	"time"

	"gatehouse/engine"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// WithDefaults gives the configuration with every zero value replaced by its
// default, as config print shows it.
func (c Config) WithDefaults() Config {
	if c.Dev {
		setDefault(&c.Addr, "127.0.0.1:3000")
	}
	setDefault(&c.Addr, ":3000")
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "json")
	setDefault(&c.TLS.ClientAuth, clientAuthNone)
	setDefault(&c.Redis.Prefix, "gatehouse:")
	c.Door.setDefaults()
	c.Cluster.setDefaults()
	c.Engine.setDefaults()
	c.Compression.setDefaults()
	c.setGate(c.gate().WithDefaults())
	c.Handshake.setDefaults(c.Engine.MaxPayload)
	c.Sockets.setDefaults()
	c.Session.setDefaults()
	c.Recovery.setDefaults()
	c.Limits.setDefaults()
	c.History.setDefaults()
	c.Packet.setDefaults()
	setDefault(&c.HTTP.ReadHeaderTimeout, 10*time.Second)
	setDefault(&c.HTTP.IdleTimeout, 75*time.Second)
	setDefault(&c.HTTP.MaxHeaderBytes, 16<<10)
	setDefault(&c.Drain.Timeout, 20*time.Second)
	setDefault(&c.Drain.Spread, 5*time.Second)
	return c
}

func (e *Engine) setDefaults() {
	setDefault(&e.PingInterval, engine.DefaultPingInterval)
	setDefault(&e.PingTimeout, engine.DefaultPingTimeout)
	setDefault(&e.UpgradeTimeout, engine.DefaultUpgradeTimeout)
	setDefault(&e.CloseTimeout, engine.DefaultCloseTimeout)
	setDefault(&e.PauseTimeout, engine.DefaultPauseTimeout)
	setDefault(&e.MessageTimeout, engine.DefaultMessageTimeout)
	setDefault(&e.MaxPayload, engine.DefaultMaxPayload)
	setDefault(&e.OutboxBytes, engine.DefaultOutboxBytes)
	setDefault(&e.OutboxAge, engine.DefaultOutboxAge)
	setDefault(&e.OutboxTotal, engine.DefaultOutboxTotal)
	setDefault(&e.IncomingTotal, engine.DefaultIncomingTotal)
	setDefault(&e.IncomingShare, max(e.IncomingTotal/4, 1))
	setDefault(&e.IOUring, ioUringAuto)
}

func (h *Handshake) setDefaults(maxPayload int) {
	setDefault(&h.Timeout, 10*time.Second)
	setDefault(&h.AdmitTimeout, min(8*time.Second, h.Timeout))
	setDefault(&h.MaxPayload, min(64<<10, maxPayload))
	setDefault(&h.OutboxBytes, 64<<10)
	setDefault(&h.MaxPackets, 1024)
	setDefault(&h.MaxPending, 16384)
	setDefault(&h.MaxConnects, 256)
	setDefault(&h.MaxRefusals, 16)
}

func (s *Session) setDefaults() {
	setDefault(&s.ExpiryNotice, time.Minute)
	setDefault(&s.ExpiryGrace, 5*time.Second)
	setDefault(&s.RefreshBurst, 8)
	setDefault(&s.RefreshInterval, 5*time.Second)
}

func (r *Recovery) setDefaults() {
	setDefault(&r.Messages, namespaces.DefaultRecoveryMessages)
	setDefault(&r.Bytes, namespaces.DefaultRecoveryBytes)
	setDefault(&r.Parked, namespaces.DefaultRecoveryParked)
}

func (l *Limits) setDefaults() {
	setDefault(&l.SocketEvents, 2000)
	setDefault(&l.SocketBytes, 16<<20)
	setDefault(&l.UserEvents, 20_000)
	setDefault(&l.UserBytes, 64<<20)
}

func (s *Sockets) setDefaults() {
	setDefault(&s.AckTimeout, 30*time.Second)
	setDefault(&s.MaxNamespaces, 32)
	setDefault(&s.MaxRooms, 1024)
	setDefault(&s.QueueEvents, 1024)
	setDefault(&s.QueueBytes, 1<<20)
	setDefault(&s.HardQueueEvents, 16*s.QueueEvents)
	setDefault(&s.HardQueueBytes, 8*s.QueueBytes)
	setDefault(&s.UnknownEvents, ignoreUnknown)
}

func (p *Packet) setDefaults() {
	setDefault(&p.MaxAttachments, packet.DefaultMaxAttachments)
	setDefault(&p.MaxDepth, packet.DefaultMaxDepth)
	setDefault(&p.MaxEventName, packet.DefaultMaxEventName)
}

// setDefault fills a field that was left at its zero value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
