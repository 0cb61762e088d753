// Package limit shares what is scarce: places in a fair queue ([Queue]), so
// many of something in a time ([Rate]), and the time between two tries
// ([Backoff]). Nothing in it starts a goroutine; each type says whether it may
// be used concurrently.
package limit
