// Package server puts the parts of Gatehouse together: the HTTP surface, the
// start, the drain and the log.
//
// A [Server] mounts namespace definitions on one Engine.IO endpoint and asks
// one gate who each socket is. It serves
//
//   - /socket.io/ the realtime endpoint, and the client bundle below it,
//   - /healthz (the process lives) and /readyz (it takes new connections),
//   - POST /auth/tickets (a ticket for a user who has signed in some other way) and
//     GET /auth/csrf (for pages with a session cookie),
//   - for operators, on their own listener or behind a key: /api/v1/, /metrics
//     and /debug/pprof/,
//   - POST /demo/login, in development only,
//   - / the pages.
//
// A program that embeds Gatehouse needs three calls:
//
//	s, err := server.New(cfg, orders)
//	…
//	err = s.Run(ctx) // returns when ctx has ended and the drain is over
//
// Run and Serve return when everything that they started is gone.
package server
