package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/engine/internal/rfc6455"
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
	if d.Threshold < 1 || d.Level < 1 || d.Level > 9 || d.Window < 9 || d.Window > rfc6455.MaxDeflateWindow {
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
	o, ok := rfc6455.ReadOffer(offer)
	if !ok {
		return agreement{}, false
	}
	both := d.Takeover == TakeoverBoth
	a := agreement{
		on:             true,
		serverTakeover: (both || d.Takeover == TakeoverServer) && !o.NoServerTakeover,
		clientTakeover: (both || d.Takeover == TakeoverClient) && !o.NoClientTakeover,
		clientWindow:   rfc6455.MaxDeflateWindow,
		answer:         rfc6455.DeflateName,
	}
	if !a.serverTakeover {
		a.answer += "; server_no_context_takeover"
	}
	if o.ServerWindow {
		a.answer += "; server_max_window_bits=15"
	}
	switch {
	case !a.clientTakeover:
		a.answer += "; client_no_context_takeover"
	case o.ClientWindow > 0:
		a.clientWindow = min(o.ClientWindow, d.Window)
		a.answer += "; client_max_window_bits=" + strconv.Itoa(a.clientWindow)
	}
	return a, true
}

// newInflater reads what a client sends by a; it is nil when that is never
// compressed.
func (srv *Server) newInflater(a agreement) *rfc6455.Inflater {
	if !a.on {
		return nil
	}
	window := 0
	if a.clientTakeover {
		window = 1 << a.clientWindow
	}
	return rfc6455.NewInflater(&srv.inflaters, window)
}
