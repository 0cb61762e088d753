package migration

import (
	"testing"

	"github.com/zishang520/socket.io/v2/socket"
)

// The page about migrating says so. When this fails, the library can be used with
// it, and the page has to change.
func TestTheLibrarysRecoveryCannotStart(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("connection state recovery starts")
		}
	}()
	opts := socket.DefaultServerOptions()
	opts.SetConnectionStateRecovery(&socket.ConnectionStateRecovery{})
	socket.NewServer(nil, opts)
}
