package bridge_test

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"gatehouse/bridge"
	"gatehouse/packet"
)

// otherParser is a parser that package engine does not know.
type otherParser struct{ parser.Parser }

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) Sync() error { return nil }

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// decode gives messages to a decoder: text, and []byte for binary.
func decode(d parser.Decoder, messages ...any) (*parser.Packet, error) {
	var got *parser.Packet
	_ = d.On("decoded", func(args ...any) { got = args[0].(*parser.Packet) })
	for _, message := range messages {
		if text, ok := message.(string); ok {
			message = types.NewStringBufferString(text)
		}
		if err := d.Add(message); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func TestTheParserGivesPacketsAsTheLibraryDoes(t *testing.T) {
	for _, messages := range [][]any{
		{`0{"token":"x"}`}, {`0/chat,{}`}, {`1/chat,`}, {`2["e",1,null,{"a":[true]}]`}, {`2/chat,12["e"]`},
		{`31[]`}, {`3/chat,7["x"]`}, {`51-["e",{"_placeholder":true,"num":0}]`, []byte{1}},
	} {
		want, err := decode(parser.NewDecoder(), messages...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(bridge.NewParser(packet.Limits{}).NewDecoder(), messages...)
		if err != nil {
			t.Errorf("%v: %v", messages, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v, want %+v", messages, got, want)
		}
	}
}

func TestTheParserRefusesWhatIsNoPacket(t *testing.T) {
	for _, messages := range [][]any{
		{""}, {"2"}, {"3"}, {"30"}, {"50-"}, {"51-"}, {"6"}, {"2{}"}, {"2[]"}, {`2["x"]y`}, {`2["connect"]`}, {"9"},
		{[]byte{1}}, {`51-["e",{"_placeholder":true,"num":0}]`, `2["e"]`}, {42},
	} {
		if got, err := decode(bridge.NewParser(packet.Limits{}).NewDecoder(), messages...); err == nil {
			t.Errorf("%v became %+v", messages, got)
		}
	}
}

func TestTheLibrarysShapesHoldForWhateverIsTaken(t *testing.T) {
	for _, text := range []string{`0`, `0{}`, `2["e"]`, `31[]`, `50-["e"]`, `60-1[]`, `2[7]`} {
		got, err := decode(bridge.NewParser(packet.Limits{}).NewDecoder(), text)
		if err != nil || got == nil {
			continue // refused: fine
		}
		switch got.Type {
		case parser.CONNECT:
			if _, ok := got.Data.(map[string]any); !ok {
				t.Errorf("%s: the payload is a %T", text, got.Data)
			}
		default:
			if _, ok := got.Data.([]any); !ok {
				t.Errorf("%s: the arguments are a %T", text, got.Data)
			}
		}
	}
}
