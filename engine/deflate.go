package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Deflate configures the compression of WebSocket messages (RFC 7692,
// permessage-deflate) for clients that offer it. The zero value is off.
//
// Without context takeover, the default, a connection costs no memory, and a
// broadcast is compressed once for all its receivers. With it messages of one
// connection refer to those before: smaller, but each receiver's are compressed
// for it alone, and a connection keeps what they may refer to.
type Deflate struct {
	Enabled bool
	// Threshold is the size of a message in bytes from which it is compressed.
	// Zero means DefaultCompressAbove.
	Threshold int
	// Takeover says which side may refer to earlier messages. The empty string
	// means TakeoverNone.
	Takeover Takeover
	// Level is 1, fastest, to 9, smallest. Zero means 1.
	Level int
	// Window is the logarithm of the bytes that a connection keeps for each
	// direction with takeover, 9 to 15. Zero means 12. A client that cannot be
	// told to keep to it has 15 for what it sends.
	Window int
}

// Takeover is a choice of context takeover (RFC 7692, section 7.1.1).
type Takeover string

// Choices of Takeover. What a client refuses for the server it does not get.
const (
	TakeoverNone   Takeover = "none"
	TakeoverServer Takeover = "server" // what the server sends
	TakeoverClient Takeover = "client" // what the client sends
	TakeoverBoth   Takeover = "both"
)

// Defaults of Deflate.
const (
	DefaultDeflateLevel  = 1
	DefaultDeflateWindow = 12
)

const maxDeflateWindow = 15

func (d Deflate) withDefaults() Deflate {
	setDefault(&d.Threshold, DefaultCompressAbove)
	setDefault(&d.Takeover, TakeoverNone)
	setDefault(&d.Level, DefaultDeflateLevel)
	setDefault(&d.Window, DefaultDeflateWindow)
	return d
}

func (d Deflate) validate() error {
	switch d.Takeover {
	case TakeoverNone, TakeoverServer, TakeoverClient, TakeoverBoth:
	default:
		return fmt.Errorf("engine: Deflate.Takeover is %q, which is none of its choices", d.Takeover)
	}
	if d.Threshold < 1 || d.Level < 1 || d.Level > 9 || d.Window < 9 || d.Window > maxDeflateWindow {
		return errors.New("engine: Deflate.Threshold must be positive, Level 1 to 9, Window 9 to 15")
	}
	return nil
}

// agreement is what a connection has agreed on. The zero value is no compression.
type agreement struct {
	on             bool
	serverTakeover bool
	clientTakeover bool
	clientWindow   int // of what the client sends, with takeover
	answer         string
}

const deflateName = "permessage-deflate"

// maxOffers is how many extensions of one handshake are looked at.
const maxOffers = 16

// agree picks the first offer of permessage-deflate that can be accepted (RFC
// 7692, section 7.1). An offer with a parameter that is unknown, doubled or has a
// wrong value is declined, as is one that limits the server's window: whoever
// offers has to be given a message that it can read.
func (d Deflate) agree(h http.Header) agreement {
	if !d.Enabled {
		return agreement{}
	}
	seen := 0
	for _, line := range h.Values("Sec-Websocket-Extensions") {
		for offer := range strings.SplitSeq(line, ",") {
			if seen++; seen > maxOffers {
				return agreement{}
			}
			if a, ok := d.accept(offer); ok {
				return a
			}
		}
	}
	return agreement{}
}

// accept answers one offer.
func (d Deflate) accept(offer string) (agreement, bool) {
	o, ok := readOffer(offer)
	if !ok {
		return agreement{}, false
	}
	both := d.Takeover == TakeoverBoth
	a := agreement{
		on:             true,
		serverTakeover: (both || d.Takeover == TakeoverServer) && !o.noServerTakeover,
		clientTakeover: (both || d.Takeover == TakeoverClient) && !o.noClientTakeover,
		clientWindow:   maxDeflateWindow,
		answer:         deflateName,
	}
	if !a.serverTakeover {
		a.answer += "; server_no_context_takeover"
	}
	if o.serverWindow {
		a.answer += "; server_max_window_bits=15"
	}
	switch {
	case !a.clientTakeover:
		a.answer += "; client_no_context_takeover"
	case o.clientWindow > 0:
		a.clientWindow = min(o.clientWindow, d.Window)
		a.answer += "; client_max_window_bits=" + strconv.Itoa(a.clientWindow)
	}
	return a, true
}

// offer is what a client says about compression.
type offer struct {
	noServerTakeover bool
	noClientTakeover bool
	serverWindow     bool // it names the largest window
	clientWindow     int  // the largest that it can be told to use; 0 when it cannot
}

// readOffer reads one extension of the header, and reports false when it is not
// one that can be accepted.
func readOffer(text string) (o offer, ok bool) {
	name, rest, more := strings.Cut(text, ";")
	if !strings.EqualFold(strings.TrimSpace(name), deflateName) {
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
func (o *offer) set(name, value string, valued bool) bool {
	switch name {
	case "server_no_context_takeover":
		o.noServerTakeover = true
		return !valued
	case "client_no_context_takeover":
		o.noClientTakeover = true
		return !valued
	case "server_max_window_bits":
		o.serverWindow = true
		return valued && windowBits(value) == maxDeflateWindow
	case "client_max_window_bits":
		o.clientWindow = maxDeflateWindow
		if valued {
			o.clientWindow = windowBits(value)
		}
		return o.clientWindow > 0
	}
	return false
}

// windowBits reads 8 to 15 without leading zeros, quoted or not; 0 is wrong.
func windowBits(value string) int {
	if len(value) > 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 8 || n > maxDeflateWindow || strconv.Itoa(n) != value {
		return 0
	}
	return n
}
