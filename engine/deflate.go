package engine

import (
	"net/http"
	"strconv"
	"strings"

	"gatehouse/engine/internal/rfc6455"
)

// Deflate configures the compression of WebSocket messages (RFC 7692,
// permessage-deflate) for clients that offer it. The zero value is off.
//
// Without context takeover, the default, a connection costs no memory, and a broadcast
// is compressed once for all its receivers. With it a message may refer to earlier
// ones of its connection. It gets smaller, but is compressed for each receiver alone,
// and the connection keeps what later messages may refer to. A client that cannot be
// told to keep to the window sends with a window of 15 bits.
//
// The tags say of each field its default and bounds, see package internal/settings;
// zero means the default.
type Deflate struct {
	Enabled bool `koanf:"-"`

	Threshold int      `koanf:"threshold" default:"1KiB" unit:"bytes" doc:"messages and answers from this size are compressed"`
	Takeover  Takeover `koanf:"context_takeover" default:"none" oneof:"none,server,client,both" doc:"who may refer to earlier messages of a WebSocket; with server a broadcast is compressed for each receiver, not once"`
	Level     int      `koanf:"level" default:"1" max:"9" doc:"1, fastest, to 9, smallest; of WebSockets"`
	Window    int      `koanf:"window" default:"12" min:"9" max:"15" doc:"what a connection keeps for each direction with takeover, as a power of two: 12 is 4 KiB"`
}

// Takeover is a choice of context takeover (RFC 7692, section 7.1.1).
type Takeover string

// The values of Takeover. A client that refuses takeover by the server is sent
// messages without it.
const (
	TakeoverNone   Takeover = "none"
	TakeoverServer Takeover = "server" // what the server sends
	TakeoverClient Takeover = "client" // what the client sends
	TakeoverBoth   Takeover = "both"
)

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
// wrong value is declined, as is one that limits the server's window: the client
// must be able to read every message.
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

// newInflater returns the reader of the messages that a client compresses as agreed in
// a. It is nil when the client never compresses.
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
