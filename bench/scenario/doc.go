// Package scenario holds the runs of the comparison: idle connections, fan-out in
// a burst and paced, echo, churn and growth. Each drives one freshly started
// server through its public surfaces, takes the server's processor time and
// memory, and checks that every message came once and in order. A run in which
// that failed gives an error and no figures.
package scenario
