package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"gatehouse/handshake"
	"gatehouse/internal/loopback"
	"gatehouse/namespaces"
)

// checkDoor checks the settings around the gate: TLS, Redis, the operators'
// surfaces and the limits of connections.
func (c Config) checkDoor() error {
	return errors.Join(c.checkTLS(), c.Redis.check(), c.checkCluster(), c.checkAdmin(), c.checkMethods())
}

func (c Config) checkTLS() error {
	t := c.TLS
	switch {
	case t.enabled() && (t.CertFile == "" || t.KeyFile == ""):
		return errors.New("tls.cert_file, tls.key_file: one without the other; set both")
	case !t.enabled() && (t.ClientCAFile != "" || t.ClientAuth != clientAuthNone):
		return errors.New("tls.client_auth: client certificates need a TLS listener of ours; set tls.cert_file and tls.key_file")
	case t.ClientAuth != clientAuthNone && t.ClientCAFile == "":
		return errors.New("tls.client_ca_file: is empty; name the authorities that tls.client_auth verifies against")
	case t.ClientAuth == clientAuthNone && t.ClientCAFile != "":
		return errors.New(`tls.client_auth: is none, so tls.client_ca_file has no use; write request or require, or remove the file`)
	case !t.enabled():
		return nil
	}
	_, err := t.load()
	return err
}

const minAdminKey = 32

func (c Config) checkAdmin() error {
	a := c.Admin
	if a.Key != "" && len(a.Key) < minAdminKey {
		return fmt.Errorf(`admin.key: %d bytes, at least %d are needed; make one with "openssl rand -base64 48"`, len(a.Key), minAdminKey)
	}
	if a.PreviousKey != "" && (a.Key == "" || len(a.PreviousKey) < minAdminKey) {
		return fmt.Errorf("admin.previous_key: %d bytes; it stands beside admin.key and has at least %d", len(a.PreviousKey), minAdminKey)
	}
	if a.Addr == "" {
		return nil
	}
	if err := checkHostPort("admin.addr", a.Addr, "127.0.0.1:3001"); err != nil {
		return err
	}
	if sameListener(a.Addr, c.Addr) {
		return fmt.Errorf("admin.addr: %q is where addr (%q) listens for everybody; choose another port, or leave admin.addr out and set admin.key", a.Addr, c.Addr)
	}
	if host, _, _ := net.SplitHostPort(a.Addr); a.Key == "" && !loopback.Is(host) {
		return fmt.Errorf("admin.addr: %q can be reached from other machines, and there is no admin.key; set one, or listen on 127.0.0.1", a.Addr)
	}
	return nil
}

// sameListener reports whether two addresses cannot both be listened at. Port 0
// is any that is free.
func sameListener(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (hostA == hostB || everywhere(hostA) || everywhere(hostB))
}

// everywhere reports whether a host stands for all addresses of this machine.
func everywhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

// opens reports whether a method of signing in is switched on anywhere.
func (c Config) opens(method string) bool {
	return slices.Contains(c.Auth.Methods, method) || slices.ContainsFunc(c.Auth.Namespaces, func(ns handshake.NamespaceAuth) bool {
		return slices.Contains(ns.Methods, method)
	})
}

// checkMethods refuses methods that the listener makes useless or unsafe. Dev mode
// opens all of them to show them, and the gate refuses each CONNECT instead.
func (c Config) checkMethods() error {
	if c.Dev || c.ExternalTLS {
		return nil
	}
	var errs []error
	encrypted := c.TLS.enabled() || len(c.TrustedProxies) > 0
	if c.opens(handshake.MethodBasic) && !encrypted {
		errs = append(errs, errors.New("auth.methods: basic would send passwords in the clear; set tls.cert_file and tls.key_file, or list the proxy that has TLS in trusted_proxies"))
	}
	if c.opens(handshake.MethodCertificate) && (c.TLS.ClientAuth == "" || c.TLS.ClientAuth == clientAuthNone) {
		errs = append(errs, errors.New("auth.methods: certificate is on, but no client certificate is asked for; set tls.client_auth and tls.client_ca_file"))
	}
	if c.opens(handshake.MethodProxyHeader) && len(c.TrustedProxies) == 0 {
		errs = append(errs, errors.New("auth.methods: proxy_header is on, but no proxy is trusted; list it in trusted_proxies"))
	}
	return errors.Join(errs...)
}

// Warnings returns the warnings, one sentence each, that [New] logs about a
// configuration that it accepts with these definitions. About a configuration that
// it refuses there are fewer, or none.
func (c Config) Warnings(defs ...namespaces.Definition) []string {
	c, defs = withLab(c.WithDefaults(), defs)
	gate, err := handshake.NewGate(c.gate())
	if err != nil {
		return c.warnings(defs)
	}
	defer gate.Close()
	return slices.Concat(gate.Warnings(), c.warnings(defs))
}

// warnings returns the warnings about settings around the gate.
func (c Config) warnings(defs []namespaces.Definition) []string {
	out := c.warningsOfCluster()
	encrypted := c.TLS.enabled() || len(c.TrustedProxies) > 0 || c.ExternalTLS
	if c.Admin.Key != "" && c.Admin.Addr == "" {
		out = append(out, "admin.key without admin.addr: the operators' surfaces are on the public listener, behind the key alone")
	}
	if c.Admin.Key != "" && !encrypted && !c.Admin.OnThisMachine() {
		out = append(out, "admin.key: crosses the network in the clear; set tls.cert_file and tls.key_file")
	}
	if host, _, _ := net.SplitHostPort(c.Addr); len(c.API.Keys) > 0 && !encrypted && !c.Dev && !loopback.Is(host) {
		out = append(out, "api.keys: cross the network in the clear; set tls.cert_file and tls.key_file, or trusted_proxies")
	}
	if proxies, err := c.proxies(); err == nil {
		for i, p := range proxies {
			if wide := p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 16; wide {
				out = append(out, "trusted_proxies: "+c.TrustedProxies[i]+" is much of the world, and whoever is in it can claim any address; list your proxies only")
			}
		}
	}
	if w := c.forgottenProxy(); w != "" && !encrypted && !c.Dev {
		out = append(out, w)
	}
	if clearRedis(c.Redis.URL.Reveal()) {
		out = append(out, "redis.url: the password and the tickets cross the network in the clear; write rediss://")
	}
	if c.opens(handshake.MethodCookie) && !encrypted && !c.Dev {
		out = append(out, "auth.methods has cookie without TLS: whoever sees the traffic has the session; set tls.cert_file, or trusted_proxies")
	}
	for i, ns := range c.Auth.Namespaces {
		if !c.Dev && c.laxerTickets(ns) {
			out = append(out, fmt.Sprintf("auth.namespaces[%d].methods has ticket: a ticket for no certain namespace, which every method of auth.methods buys, opens %s too", i, ns.Name))
		}
		if !mounts(defs, ns.Name) {
			out = append(out, fmt.Sprintf("auth.namespaces[%d].name: there is no namespace %s, so these methods open nothing; correct or remove the entry", i, ns.Name))
		}
	}
	return out
}

// forgottenProxy returns a warning, or "". It warns when a setting shows that there
// is a proxy in front, but the configuration has no TLS and trusts no proxy.
func (c Config) forgottenProxy() string {
	const cure = "list it in trusted_proxies; else all clients have its address and share its limits, and pages with https are refused"
	https := slices.IndexFunc(c.Origins.Allow, func(o string) bool { return strings.HasPrefix(strings.ToLower(o), "https://") })
	host, _, _ := net.SplitHostPort(c.Addr)
	switch {
	case https >= 0:
		return "origins.allow: a page such as " + c.Origins.Allow[https] + " connects with TLS only, and there is none here; if a proxy in front has it, " + cure
	case loopback.Is(host):
		return "addr: " + c.Addr + " is for this machine only; if a proxy in front brings the clients, " + cure
	}
	return ""
}

// clearRedis reports whether the password of Redis goes to another machine without
// TLS.
func clearRedis(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "redis" || u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has && !loopback.Is(u.Hostname())
}

// mounts reports whether a client can ask for the namespace.
func mounts(defs []namespaces.Definition, name string) bool {
	return slices.ContainsFunc(defs, func(d namespaces.Definition) bool { return d.Label() == name || d.Accepts(name) })
}

// laxerTickets reports whether a namespace takes tickets that can be had for a
// credential which the namespace itself does not take.
func (c Config) laxerTickets(ns handshake.NamespaceAuth) bool {
	return slices.Contains(ns.Methods, handshake.MethodTicket) && !slices.Contains(ns.Methods, handshake.MethodAnonymous) &&
		slices.ContainsFunc(c.Auth.Methods, func(method string) bool { return !slices.Contains(ns.Methods, method) })
}

// readable reads the file that a key of the configuration names. Its error names
// the key.
func readable(key, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return text, nil
}
