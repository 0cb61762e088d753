package bridge

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"gatehouse/packet"
)

// NewParser returns a parser for the library's own engine that refuses invalid
// packets before the library sees them:
//
//	opts := socket.DefaultServerOptions()
//	opts.SetParser(bridge.NewParser(packet.Limits{}))
//	io := socket.NewServer(nil, opts)
//
// Without it, a frame such as `42` ends the process. It does not mend faults
// above or below the parser: lost and reordered messages, and the early PONG.
// With [Bind] it is not needed, as Bind checks packets itself.
func NewParser(l packet.Limits) parser.Parser {
	return checkedParser{Parser: parser.NewParser(), limits: l}
}

// checkedParser has the library's encoder and a checkedDecoder.
type checkedParser struct {
	parser.Parser
	limits packet.Limits
}

// NewDecoder implements parser.Parser.
func (p checkedParser) NewDecoder() parser.Decoder {
	return &checkedDecoder{Decoder: p.Parser.NewDecoder(), packets: packet.NewDecoder(p.limits)}
}

// checkedDecoder decodes packets with package packet, encodes them again and
// gives the result to the library's decoder, so that its packets have the
// shapes that the library expects.
type checkedDecoder struct {
	parser.Decoder

	mu      sync.Mutex // guards packets; during an upgrade two transports may deliver
	packets packet.Decoder
}

// Add implements parser.Decoder. Its error ends the connection.
func (d *checkedDecoder) Add(data any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, complete, err := d.take(data)
	if err != nil || !complete {
		return err
	}
	return hand(&p, d.Decoder.Add)
}

func (d *checkedDecoder) take(data any) (packet.Packet, bool, error) {
	switch data := data.(type) {
	case string:
		return d.packets.Text([]byte(data))
	case *types.StringBuffer:
		return d.packets.Text(data.Bytes())
	case *strings.Reader:
		b, err := io.ReadAll(data)
		if err != nil {
			return packet.Packet{}, false, fmt.Errorf("read a text message: %w", err)
		}
		return d.packets.Text(b)
	case []byte:
		return d.packets.Binary(data)
	case io.Reader:
		b, err := io.ReadAll(data)
		if err != nil {
			return packet.Packet{}, false, fmt.Errorf("read a binary message: %w", err)
		}
		return d.packets.Binary(b)
	default:
		return packet.Packet{}, false, fmt.Errorf("a message of type %T", data)
	}
}

// noPayload stands for a CONNECT without payload, as in Node: applications take
// the payload for an object.
var noPayload = []byte("{}")

// hand gives a checked packet to the library's decoder, text first and then the
// attachments.
func hand(p *packet.Packet, add func(any) error) error {
	if p.Type == packet.Connect && p.Payload == nil {
		filled := *p
		filled.Payload = noPayload
		p = &filled
	}
	frame := packet.Encode(p, packet.V5)
	if err := add(types.NewStringBuffer(frame.Text)); err != nil {
		return err
	}
	for _, attachment := range frame.Attachments {
		if err := add(types.NewBytesBuffer(attachment)); err != nil {
			return err
		}
	}
	return nil
}
