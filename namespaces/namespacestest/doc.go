// Package namespacestest is a client without a network, for tests of the handlers of package namespaces, as net/http/httptest
// is for those of net/http.
//
// [Mount] makes a hub of the definitions under test, [Hub.Enter] a client that somebody is connected with. The client asks,
// emits and expects; everything on the way, from the admission to the encoding, is the real thing.
//
//	h := namespacestest.Mount(t, orders())
//	ada := h.Enter("/orders", namespacestest.As("ada"))
//	made := namespacestest.Ask[Order](ada, "order:create", NewOrder{Item: "tea"})
//
// Waiting fails the test after ten seconds. In a bubble of testing/synctest time is the bubble's: an hour of a handler takes
// no time, and after synctest.Wait [Client.Nothing] sees all that was sent.
//
// A client is used by one goroutine. Everything that fails ends the test it belongs to.
package namespacestest
