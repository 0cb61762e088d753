// Package limit shares what is scarce: places in a fair queue ([Queue]), so
// many of something in a time ([Rate]), the time between two tries ([Backoff]),
// and the patience with a server that does not answer ([Breaker]). Nothing in it starts a goroutine; each type says whether it may
// be used concurrently.
package limit
