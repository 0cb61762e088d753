// Package api is the HTTP interface for back ends, in whatever language they are written: they publish to namespaces, ask
// who is there, move sockets between rooms and disconnect them. It is an [http.Handler] that needs nothing of a server but
// its namespaces, so a program that embeds Gatehouse can mount it wherever it likes.
//
// Keys ([Key]) grant access: each has a name, scopes and namespaces. A key is kept as a hash, compared in constant
// time, and logged by its name only.
//
// All operations of a request are checked before the first is done. The document at /api/v1/openapi.json describes requests
// and answers.
package api
