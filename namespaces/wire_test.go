package namespaces_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// A broadcast is encoded once for each wire that a receiver has, and all receivers of a wire share the frame.
func TestEachClientGetsItsOwnWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		h := newHub(t, namespaces.Config{}, ns)
		frames := map[string][]*packet.Frame{}
		for _, name := range []string{"text one", "text two", "pack one", "pack two"} {
			p := newPeer(t, h)
			p.onFrame = func(f *packet.Frame) { frames[name] = append(frames[name], f) }
			connect := packet.Packet{Type: packet.Connect, Namespace: "/", Payload: []byte(`{"token":"ann"}`)}
			if name[:4] == "text" {
				p.client.Message(false, packet.Encode(&connect, packet.V5).Text)
			} else {
				p.client.Message(true, packet.Encode(&connect, packet.Msgpack).Attachments[0])
			}
		}
		synctest.Wait()
		clear(frames)
		_ = ns.Emit("e", []byte{1}, "x")
		text, pack := frames["text one"][0], frames["pack one"][0]
		if got := fmt.Sprintf("%s %x", text.Text, text.Attachments); got != `51-["e",{"_placeholder":true,"num":0},"x"] [01]` {
			t.Error(got)
		}
		p, err := packet.DecodeMsgpack(pack.Attachments[0], packet.Limits{})
		if err != nil || p.Event != "e" || p.Args.Len() != 2 || !slices.Equal(p.Args.Attachments()[0], []byte{1}) {
			t.Errorf("%+v %v", p, err)
		}
		if frames["text two"][0] != text || frames["pack two"][0] != pack {
			t.Error("receivers of one wire do not share the frame")
		}
	})
}
