package server_test

import (
	"slices"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/server"
)

// To a client that is slowed down it looks as if the server hung: the log and the
// metrics say why.
func TestWhoIsSlowedDownIsLoggedAndCounted(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			cfg := server.Config{Admin: server.Admin{Key: adminKey}, Limits: namespaces.RateLimits{SocketEvents: 1}}
			cfg.Connections.WorkPerAddress = 20
			r := serve(t, cfg, who("/who")...)
			c := dial(t, r.addr, transport)
			enter(c, "/who", token(t, "ada"))
			c.send(slices.Repeat([]string{`42/who,["nothing"]`}, 12)...) // ten seconds' worth, and more
			r.waitFor("a client sends too much and is slowed down")
			says(t, r.log.String(), `"cause":"socket_limits"`, `"user":"ada"`, `"namespace":"/who"`)
			_, metrics := ask(t, r.url("/metrics"), operator, "")
			says(t, metrics, `gatehouse_slowed_total{cause="socket_limits"} `)

			stranger := dial(t, r.addr, transport)
			stranger.send(slices.Repeat([]string{"6"}, 200)...) // the same, with packets that have no meaning
			go func() { _ = stranger.wire().Send("6") }()       // a request waits
			r.waitFor("are read more slowly")
			_, metrics = ask(t, r.url("/metrics"), operator, "")
			says(t, metrics, `gatehouse_slowed_total{cause="address_work"} `)
		})
	}
}
