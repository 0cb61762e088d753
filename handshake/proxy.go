package handshake

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// TrustedProxies are the networks of the proxies whose headers count. From any
// other peer, X-Forwarded-… is the client's own invention.
type TrustedProxies []netip.Prefix

// ParseTrustedProxies reads addresses and prefixes, such as 10.0.0.0/8 or ::1.
func ParseTrustedProxies(list []string) (TrustedProxies, error) {
	proxies := make(TrustedProxies, 0, len(list))
	for _, entry := range list {
		prefix, err := parsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is no address or prefix; write it as 10.0.0.0/8 or 192.0.2.7", entry)
		}
		proxies = append(proxies, prefix)
	}
	return proxies, nil
}

func parsePrefix(entry string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(entry); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(entry)
	return prefix.Masked(), err
}

// Trusts reports whether an address is one of the proxies.
func (t TrustedProxies) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range t {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientAddr returns the client's address: the peer's own, or, behind trusted
// proxies, the one that the last of them saw. X-Forwarded-For is read from the
// right, because only the entries of trusted proxies are true; an invalid
// entry ends the walk.
func ClientAddr(peer netip.Addr, h http.Header, proxies TrustedProxies) netip.Addr {
	client := peer.Unmap().WithZone("")
	if !proxies.Trusts(client) {
		return client
	}
	hops := strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && proxies.Trusts(client); i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop
	}
	return client
}

// parseHop reads an address with or without port and brackets.
func parseHop(hop string) (netip.Addr, error) {
	if addrPort, err := netip.ParseAddrPort(hop); err == nil {
		return addrPort.Addr().Unmap().WithZone(""), nil
	}
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return addr.Unmap().WithZone(""), err
}

// Secure reports whether the client speaks TLS: on this connection, or to a
// trusted proxy that sends X-Forwarded-Proto with https, or with wss as some
// do for an upgrade. Of several values all must be so. Forwarded,
// X-Forwarded-Ssl and the like are not read.
func Secure(peer netip.Addr, h http.Header, tls bool, proxies TrustedProxies) bool {
	if tls {
		return true
	}
	lines := h["X-Forwarded-Proto"]
	if len(lines) == 0 || !proxies.Trusts(peer) {
		return false
	}
	for _, value := range strings.Split(strings.Join(lines, ","), ",") {
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "https", "wss":
		default:
			return false
		}
	}
	return true
}
