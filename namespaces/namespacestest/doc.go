// Package namespacestest is a client without a network, for tests of the handlers of package namespaces: what net/http/httptest
// is to net/http.
//
// [Mount] makes a hub of the definitions under test, [Hub.Enter] a client that somebody is connected with. The client asks,
// emits and expects; everything on the way, from the admission to the encoding, is the real thing.
//
//	h := namespacestest.Mount(t, orders())
//	ada := h.Enter("/orders", namespacestest.As("ada"))
//	made := namespacestest.Ask[Order](ada, "order:create", NewOrder{Item: "tea"})
//
// Waiting ends with the test after ten seconds. In a bubble of testing/synctest time is the bubble's: what a handler does in an
// hour a test sees at once, and [Client.Nothing] waits until everybody is idle where a test calls synctest.Wait before it.
//
// A client is used by one goroutine. Everything that fails ends the test it belongs to.
package namespacestest
