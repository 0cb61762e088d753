// Package handshake answers one question: who is this? It turns everything
// that a client brought to one Socket.IO CONNECT into an [Identity] or a
// [Refusal]. It has no sockets in it, so that it is tested without any and
// works in front of any server.
//
// A [Request] goes through a [Gate]:
//
//	extractors  Request    → Credential, or ErrNotMine
//	verifiers   Credential → Identity,   or ErrNotMine
//	revocation and expiry of the identity
//
// Both chains are slices: their order is policy and comes from the
// configuration (see [AuthConfig]). [ErrNotMine] is the only error that lets
// the next one try; any other ends the chain, so a refused credential never
// falls back to a weaker one. A field in the `auth` payload (the first message
// of a client) decides before anything that its transport carries.
//
// # Use
//
//	gate, err := handshake.NewGate(handshake.GateConfig{
//		JWT: handshake.JWTConfig{HMACSecret: secret, Issuer: "https://id.example"},
//	})
//	identity, err := gate.Check(ctx, &handshake.Request{
//		Namespace: "/chat",
//		Auth:      json.RawMessage(`{"token":"…"}`),
//	})
//
// The error of [Gate.Check] is always a [*Refusal]: its Code is for programs,
// its Message for people, its Cause for the log. None of the three ever holds
// a token, ticket, cookie or password.
//
// # What a server calls
//
//   - [OriginPolicy.AllowedHTTP] for every request, upgrade and preflight;
//     [ClientAddr] and [Secure] with its [TrustedProxies].
//   - [Gate.SelectSubprotocol] for the answer of an upgrade.
//   - [Gate.Digest] when a session opens, [Gate.CheckLater] for its later
//     requests, [Gate.SessionClosed] when it is gone.
//   - [Gate.Check] for every CONNECT, with the Origin of the request that
//     carried it; [Gate.Recheck] once the socket is registered; [Gate.Refresh]
//     for a new credential of a socket that is in.
//   - [Gate.MintTicket] and [Gate.CSRFToken] behind its HTTP endpoints.
//   - [Revocations.Add] to revoke; [Revocation.Matches] finds the sockets to end.
//   - [Throttle] by address and by connection for refused CONNECTs.
//   - [Gate.Warnings] at the start, [Gate.Close] at the end.
//
// [NewSigner] mints tokens that the same [JWTConfig] accepts.
//
// # Methods
//
// A method finds one kind of credential, under a name that the configuration
// orders; a [Verifier] judges it. That is an interface of one method, and a
// program brings its own verifiers in [Deps].
//
//	token         auth.token                     JWT, introspection, callback
//	ticket        auth.ticket, ?ticket=          this server's own, single use
//	bearer        Authorization: Bearer          as token
//	subprotocol   Sec-WebSocket-Protocol         as token
//	cookie        the session cookie             JWT or callback, with Origin and CSRF
//	basic         Authorization: Basic           slow hashes or callback, TLS only
//	certificate   a verified client certificate  its name
//	proxy_header  a header of a trusted proxy    the proxy's word
//	query_token   ?token=                        as token; off, and warned about
//	anonymous     nothing                        everybody
//
// # Promises
//
//   - Configuration is checked once, in NewGate; what is unsafe is refused
//     there, with the key's name and what to do.
//   - Every map that a client can fill has a named limit and a defined outcome.
//   - A store or a verifier that cannot be reached gives [CodeUnavailable],
//     never a method.
//   - A Gate is safe for concurrent use and starts no goroutines of its own.
//     The HTTP client that reaches other servers keeps idle connections, which
//     Gate.Close ends.
package handshake
