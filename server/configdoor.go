package server

import (
	"net"
	"time"

	"gatehouse/handshake"
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
	// ClientAuth is none, request (a client may bring a certificate; what it
	// brings must verify) or require. Default none.
	ClientAuth string `koanf:"client_auth"`
}

func (t TLS) enabled() bool { return t.CertFile != "" || t.KeyFile != "" }

// Redis is what nodes share.
type Redis struct {
	// URL is redis://user:password@host:port/db, or rediss:// with TLS. With it
	// tickets are kept in Redis, so that another node may have made them, and
	// revocations reach every node. Default: both stay on this node.
	URL handshake.Secret `koanf:"url"`
	// Prefix stands before every key, for servers that share one Redis.
	// Default "gatehouse:".
	Prefix string `koanf:"prefix"`
}

// Admin opens what operators use: /api/v1/, /metrics and /debug/pprof/. It is
// off unless one of its fields is set.
type Admin struct {
	// Addr is a listener of its own, HOST:PORT. Beyond this machine it needs Key.
	Addr string `koanf:"addr"`
	// Key is what operators send as Authorization: Bearer; at least 32 bytes.
	// Without Addr the surfaces are on the public listener, behind the key.
	Key handshake.Secret `koanf:"key"`
	// PreviousKey is accepted beside Key, while operators change over.
	PreviousKey handshake.Secret `koanf:"previous_key"`
}

// OnThisMachine reports whether operators have a listener that other machines
// cannot reach. It speaks plain HTTP.
func (a Admin) OnThisMachine() bool {
	host, _, err := net.SplitHostPort(a.Addr)
	return err == nil && isLoopback(host)
}

func (a Admin) enabled() bool { return a.Addr != "" || a.Key != "" }

// Door limits what strangers can make the server hold and do. Addresses are
// counted after trusted proxies; an IPv6 client counts by its /64 network.
type Door struct {
	// MaxPendingPerAddress is how many connections of one address may be in no
	// namespace at once; one more gets HTTP 503 before any upgrade. Thousands of
	// people can share an address. Default 4,096.
	MaxPendingPerAddress int `koanf:"max_pending_per_address"`
	// MaxConnections is how many Engine.IO sessions there may be in all; one more
	// makes the oldest in no namespace give way, or gets 503 when none has been there
	// for a second. Default 0: five eighths of the files that the process may open.
	MaxConnections int `koanf:"max_connections"`
	// MaxSilent is how many TCP connections may belong to no session: new ones that
	// have not said what they want, the body of a request included, kept-alive ones,
	// and requests for something else. One more closes the one that has been silent
	// for longest. Never more than a quarter
	// of the files that the process may have open. Default 8,192.
	MaxSilent int `koanf:"max_silent"`
	// AddressFailures slows down an address whose credentials are refused.
	// Expired tokens and missing ones do not count: those are honest clients'.
	// Defaults: 1000 free, then 100ms doubling up to 5s, forgotten after 30s.
	AddressFailures handshake.ThrottleConfig `koanf:"address_failures"`
	// ConnectionFailures slows down one connection, whatever it is refused for.
	// Defaults: 8 free, then 250ms doubling up to 30s.
	ConnectionFailures handshake.ThrottleConfig `koanf:"connection_failures"`
	// TicketsPerAddress and TicketsPerSubject are how many tickets may be asked
	// for in a minute; as many may be asked for at once. Default 6,000 and 120.
	TicketsPerAddress int `koanf:"tickets_per_address"`
	TicketsPerSubject int `koanf:"tickets_per_subject"`
}

func (d *Door) setDefaults() {
	setDefault(&d.MaxPendingPerAddress, 4096)
	setDefault(&d.MaxSilent, 8192)
	setDefault(&d.TicketsPerAddress, 6000)
	setDefault(&d.TicketsPerSubject, 120)
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
