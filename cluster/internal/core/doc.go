// Package core is what a node of a cluster decides: when an operation that went into the stream is carried out here, what
// waits behind it, what is kept while Redis is away, which operations of other nodes are missing, who is there, and whose
// answer is awaited. It has no clock, no network and no goroutines: inputs with their time go in, outputs come out, and the
// same inputs give the same outputs. The shell around it, package cluster, reads, writes and carries out.
//
// The simulation in this package's tests runs several nodes, a broker and a network from a seed, and holds what is
// promised: one order of a room on all nodes, nothing twice, nothing missing that was not told, no ghost, every question
// answered within its deadline, and that each client that comes back, to any node, has got all once, or is told that it is not
// recovered.
package core
