package packet_test

import (
	"bytes"
	"testing"

	"gatehouse/packet"
)

// An offset is one more argument of an event, a string, on both wires; nothing else carries one.
func TestOffsetIsTheLastArgument(t *testing.T) {
	for _, values := range [][]any{{}, {1}, {"a", []byte{1, 2}}, {nil, "b", map[string]any{"c": []byte{3}}}} {
		with := packet.Packet{Type: packet.Event, Namespace: "/n", Event: "e", Args: args(t, values...), Offset: "epoch.1z"}
		without := packet.Packet{Type: packet.Event, Namespace: "/n", Event: "e", Args: args(t, append(values, "epoch.1z")...)}
		for wire := range packet.Wire(packet.Wires) {
			got, want := packet.Encode(&with, wire), packet.Encode(&without, wire)
			if !bytes.Equal(got.Text, want.Text) || !bytes.Equal(bytes.Join(got.Attachments, []byte{0}), bytes.Join(want.Attachments, []byte{0})) {
				t.Errorf("wire %d: %q %x, want %q %x", wire, got.Text, got.Attachments, want.Text, want.Attachments)
			}
			if got.Offset != "epoch.1z" || want.Offset != "" {
				t.Errorf("wire %d: the frames know the offsets %q and %q", wire, got.Offset, want.Offset)
			}
		}
	}
}
