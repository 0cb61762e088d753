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
// the next one try; any other ends the chain, so a credential that was refused
// never falls back to a weaker one. A field in the `auth` payload (the first
// message of a client) decides before anything that its transport carries.
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
// [NewSigner] mints tokens that the same [JWTConfig] accepts. [OriginPolicy]
// and [TrustedProxies] are the rules about origins and client addresses that
// the HTTP side of a server shares with the gate.
//
// # Promises
//
//   - Configuration is checked once, in NewGate; what is unsafe is refused
//     there, with the key's name and what to do.
//   - Every map that a client can fill has a named limit and a defined outcome.
//   - A store or a verifier that cannot be reached gives [CodeUnavailable],
//     never a way in.
//   - A Gate is safe for concurrent use and starts no goroutines.
package handshake
