// Package backend tells an application's back end, in whatever language it is
// written, what its clients do, and takes its answers.
//
// Each event is a POST with JSON, signed as Standard Webhooks say
// (https://www.standardwebhooks.com), so that existing libraries verify it. What
// the back end answers is checked here for its form; what it may do is decided by
// who asks.
//
// Questions wait for a free place instead of being refused, as long as their
// context allows. A back end that is down answers none of them: [Unavailable] says
// when to try again, and a breaker keeps a back end that just came up from being
// run over. What needs no answer ([Client.Tell]) is kept, in order, and repeated
// with growing pauses, within limits.
package backend
