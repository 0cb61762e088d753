// Package limit shares scarce resources: places in a fair queue ([Queue]), a number of operations in a time ([Rate]), the time
// between two tries ([Backoff]), and calls to a server that does not answer ([Breaker]). Nothing in it starts a goroutine;
// each type says whether it may be used concurrently.
package limit
