package rfc6455

import (
	"strconv"
	"strings"
)

// DeflateName is the name of the extension that compresses messages (RFC 7692).
const DeflateName = "permessage-deflate"

// MaxDeflateWindow is the logarithm of the largest window.
const MaxDeflateWindow = 15

// Offer is what a client says about compression.
type Offer struct {
	NoServerTakeover bool
	NoClientTakeover bool
	ServerWindow     bool // it names the largest window
	ClientWindow     int  // the largest that it can be told to use; 0 when it cannot
}

// ReadOffer reads one extension of the header, and reports false when it is not
// one that can be accepted.
func ReadOffer(text string) (o Offer, ok bool) {
	name, rest, more := strings.Cut(text, ";")
	if !strings.EqualFold(strings.TrimSpace(name), DeflateName) {
		return o, false
	}
	seen := map[string]bool{}
	for more {
		var param string
		param, rest, more = strings.Cut(rest, ";")
		name, value, valued := strings.Cut(param, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] || !o.set(name, strings.TrimSpace(value), valued) {
			return o, false
		}
		seen[name] = true
	}
	return o, true
}

// set takes one parameter (RFC 7692, section 7.1).
func (o *Offer) set(name, value string, valued bool) bool {
	switch name {
	case "server_no_context_takeover":
		o.NoServerTakeover = true
		return !valued
	case "client_no_context_takeover":
		o.NoClientTakeover = true
		return !valued
	case "server_max_window_bits":
		o.ServerWindow = true
		return valued && windowBits(value) == MaxDeflateWindow
	case "client_max_window_bits":
		o.ClientWindow = MaxDeflateWindow
		if valued {
			o.ClientWindow = windowBits(value)
		}
		return o.ClientWindow > 0
	}
	return false
}

// windowBits reads 8 to 15 without leading zeros, quoted or not; 0 is wrong.
func windowBits(value string) int {
	if len(value) > 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 8 || n > MaxDeflateWindow || strconv.Itoa(n) != value {
		return 0
	}
	return n
}
