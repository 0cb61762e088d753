package echo_test

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/namespaces/echo"
	"gatehouse/namespaces/namespacestest"
	"gatehouse/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEchoAcknowledgesItsArgumentsUnchanged(t *testing.T) {
	ada := namespacestest.Mount(t, echo.New()).Enter("/echo", namespacestest.As("ada"))
	for _, args := range [][]any{
		{},
		{1},
		{"a", json.RawMessage(`{"b":[1.50,null]}`), "ü"},
		{[]byte{0, 255}},
	} {
		want, err := packet.NewArgs(args...)
		if err != nil {
			t.Fatal(err)
		}
		got := ada.Ask("echo", args...)
		if string(got.AppendJSON(nil)) != string(want.AppendJSON(nil)) {
			t.Errorf("got %s, want %s", got.AppendJSON(nil), want.AppendJSON(nil))
		}
		for i, a := range want.Attachments() {
			if b := got.Attachments(); i >= len(b) || string(b[i]) != string(a) {
				t.Errorf("attachment %d of %d is not %x", i, len(b), a)
			}
		}
	}
}
