// Package loopback recognises the host names of this machine.
package loopback

import "net/netip"

// Is reports whether host, a name or an IP address without brackets, is this machine
// and no other: "localhost", or a loopback address (RFC 6890), also one of IPv4 written
// as IPv6. It does not resolve names.
func Is(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
