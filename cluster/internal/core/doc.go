// Package core makes the decisions of a cluster's node: when an operation of the stream is carried out here, which emits
// wait behind it, which operations are kept while Redis is away, which operations of other nodes are missing, which nodes
// are there, and whose answers are awaited. It has no clock, no network and no goroutines: inputs with their time go in,
// outputs come out, and the same inputs give the same outputs. The shell around it, package cluster, reads, writes and
// carries out.
//
// The simulation in this package's tests runs several nodes, a broker and a network from a seed, and checks what is
// promised: one order of a room on all nodes, nothing twice, nothing missing that was not told, no ghost, every
// question answered within its deadline, and each client that comes back, to any node, either has got everything once
// or is told that it is not recovered.
package core
