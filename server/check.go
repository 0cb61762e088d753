package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"

	"gatehouse/handshake"
	"gatehouse/internal/settings"
)

// Check finds what is wrong with a configuration whose defaults are filled in. It
// reads the key files that the configuration names. The error says for each
// mistake the key, what is wrong and what to do; it is [handshake.ErrNoVerifier]
// when everything else is right, but nobody could sign in.
func (c Config) Check() error {
	_, proxies := c.proxies()
	err := errors.Join(
		c.checkAddr(), c.checkEndpoint(),
		settings.Check(c, settings.Keys),
		proxies, c.checkTogether(), c.checkDoor(), c.checkRelays(), c.checkAdminUI(), underKey("api", c.API.Check()),
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

// gate returns the part of the configuration that says who is let in.
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

// setGate copies the settings of a gate into the configuration; it is the reverse
// of gate.
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

// checkHostPort refuses addresses that cannot be listened at.
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

// leastHead is the smallest http.max_header_bytes. net/http accepts 4 KiB more
// than its limit; the engine, where it reads a head by itself, accepts 8 KiB.
const leastHead = 4 << 10

// checkTogether refuses values that are valid alone, but not together.
func (c Config) checkTogether() error {
	var errs []error
	refuse := func(wrong bool, format string, values ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, values...))
		}
	}
	refuse(c.Drain.Delay+c.Drain.Spread+c.Engine.CloseTimeout > c.Drain.Timeout,
		"drain.timeout: %v is shorter than drain.delay, drain.spread and engine.close_timeout together (%v); make it longer", c.Drain.Timeout, c.Drain.Delay+c.Drain.Spread+c.Engine.CloseTimeout)
	refuse(c.HTTP.MaxHeaderBytes < leastHead,
		"http.max_header_bytes: %d is less than the request of an ordinary browser may have; write %d or more", c.HTTP.MaxHeaderBytes, leastHead)
	refuse(c.Handshake.AdmitTimeout > c.Handshake.ConnectTimeout,
		"handshake.admit_timeout: %v is longer than handshake.timeout (%v); make it shorter", c.Handshake.AdmitTimeout, c.Handshake.ConnectTimeout)
	refuse(c.Handshake.MaxPayload > c.Engine.MaxPayload,
		"handshake.max_payload: %d is above engine.max_payload (%d); make it smaller", c.Handshake.MaxPayload, c.Engine.MaxPayload)
	refuse(c.Engine.OutboxBytes < c.Engine.MaxPayload,
		"engine.outbox_bytes: %d cannot hold one message of engine.max_payload (%d); make it larger", c.Engine.OutboxBytes, c.Engine.MaxPayload)
	refuse(c.Engine.OutboxTotal < 4*c.Engine.OutboxBytes,
		"engine.outbox_total: %d is less than four clients may hold by engine.outbox_bytes (%d); make it larger", c.Engine.OutboxTotal, c.Engine.OutboxBytes)
	refuse(c.Engine.IncomingShare < 2*c.Engine.MaxPayload,
		"engine.incoming_share: %d cannot hold two messages of engine.max_payload (%d); make it larger", c.Engine.IncomingShare, c.Engine.MaxPayload)
	return errors.Join(errs...)
}
