package server

import (
	"net"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/internal/loopback"
)

// TLS is a TLS listener of the server's own (RFC 8446), 1.2 or later. A proxy
// in front may do it instead; see Config.TrustedProxies.
type TLS struct {
	// CertFile and KeyFile are PEM files: the certificate with its chain, and
	// its key. Empty: no TLS. They are read again on SIGHUP.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ClientCAFile holds the authorities, in PEM, that client certificates are
	// verified against.
	ClientCAFile string `koanf:"client_ca_file"`
	ClientAuth   string `koanf:"client_auth" default:"none" oneof:"none,request,require" doc:"client certificates: with request a client may bring one, and what it brings must verify"`
}

func (t TLS) enabled() bool { return t.CertFile != "" || t.KeyFile != "" }

// Redis is what nodes share.
type Redis struct {
	// URL is redis://user:password@host:port/db, or rediss:// with TLS. Redis then keeps
	// the tickets, so that a node accepts tickets of the others, and spreads revocations
	// to every node. Default: both stay on this node.
	URL    handshake.Secret `koanf:"url"`
	TLS    RedisTLS         `koanf:"tls"`
	Prefix string           `koanf:"prefix" default:"gatehouse:" doc:"stands before every key, for servers that share one Redis"`
}

// Admin opens the operators' surfaces: /api/v1/, /metrics and /debug/pprof/. They are
// closed unless one of its fields is set.
type Admin struct {
	// Addr is a listener of its own, HOST:PORT. Beyond this machine it needs Key.
	Addr string `koanf:"addr"`
	// Key is the key that operators send as Authorization: Bearer; at least 32 bytes.
	// Without Addr the surfaces are on the public listener, behind the key.
	Key handshake.Secret `koanf:"key"`
	// PreviousKey is accepted beside Key, while operators change over.
	PreviousKey handshake.Secret `koanf:"previous_key"`
	// Frames is for how long an operator may watch the packets of a socket at a time.
	Frames time.Duration `koanf:"frames" default:"5m" doc:"how long an operator may watch the frames of a socket on the page /admin, until they ask again"`
}

// OnThisMachine reports whether operators have a listener that other machines
// cannot reach. It speaks plain HTTP.
func (a Admin) OnThisMachine() bool {
	host, _, err := net.SplitHostPort(a.Addr)
	return err == nil && loopback.Is(host)
}

func (a Admin) enabled() bool { return a.Addr != "" || a.Key != "" }

// ConnectionLimits bound what strangers can make the server hold and do. Addresses are
// counted after trusted proxies; an IPv6 client counts by its /64 network.
type ConnectionLimits struct {
	MaxPendingPerAddress int `koanf:"max_pending_per_address" default:"4096" doc:"connections of one address in no namespace; one more gets 503; thousands of people can share an address"`
	MaxConnections       int `koanf:"max_connections" derived:"five eighths of the files that the process may open" min:"0" doc:"sessions in all; one more makes the oldest that is in no namespace give way, and gets 503 when none has been there for a second"`
	MaxSilent            int `koanf:"max_silent" default:"8192" doc:"TCP connections that belong to no session: without a request, or with one that waits for its body or is no client's; one more closes the one that is silent for longest, and a quarter as many of users and of others each may be silent between two polls; never more than a quarter of the files that the process may open. On Linux the kernel keeps a silent one for its first second"`

	engine.AddressLimits `koanf:",squash"`

	// AddressFailures slows down an address whose credentials are refused.
	// Expired tokens and missing ones do not count: those are honest clients'.
	// Defaults: 1000 free, then 100ms doubling up to 5s, forgotten after 30s.
	AddressFailures handshake.ThrottleConfig `koanf:"address_failures"`
	// ConnectionFailures slows down one connection, whatever it is refused for.
	// Defaults: 8 free, then 250ms doubling up to 30s.
	ConnectionFailures handshake.ThrottleConfig `koanf:"connection_failures"`
	TicketsPerAddress  int                      `koanf:"tickets_per_address" default:"6000" unit:"per minute" doc:"tickets that one address may ask for in a minute; as many may be asked for at once"`
	TicketsPerSubject  int                      `koanf:"tickets_per_subject" default:"120" unit:"per minute" doc:"the same for one user"`
}

func (d *ConnectionLimits) setDefaults() {
	setThrottle(&d.AddressFailures, handshake.ThrottleConfig{
		Free: 1000, Base: 100 * time.Millisecond, Max: 5 * time.Second, Forget: 30 * time.Second, MaxKeys: 100_000,
	})
	setThrottle(&d.ConnectionFailures, handshake.ThrottleConfig{
		Free: 8, Base: 250 * time.Millisecond, Max: 30 * time.Second, Forget: 10 * time.Minute, MaxKeys: 100_000,
	})
}

func setThrottle(t *handshake.ThrottleConfig, d handshake.ThrottleConfig) {
	setDefault(&t.Free, d.Free)
	setDefault(&t.Base, d.Base)
	setDefault(&t.Max, d.Max)
	setDefault(&t.Forget, d.Forget)
	setDefault(&t.MaxKeys, d.MaxKeys)
}
