// Package backend sends the events of clients to an application's back end,
// in whatever language it is written, and takes its answers.
//
// Each event is a POST with JSON, signed as Standard Webhooks say
// (https://www.standardwebhooks.com), so that existing libraries verify it. The
// form of the back end's answers is checked here; the caller decides what they
// may do.
//
// Questions wait for a free place instead of being refused, as long as their
// context allows. A back end that is down answers none of them: [Unavailable] says
// when to try again, and a breaker keeps a back end that just came up from being
// run over. Events that need no answer ([Client.Tell]) are kept, in order, and
// repeated with growing pauses, within limits.
package backend
