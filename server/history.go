package server

import (
	"log/slog"
	"time"

	"gatehouse/history"
)

// History says where configured namespaces keep the history of their rooms. The rule
// of a room says how much is kept.
type History struct {
	// Path is the file, in a directory that exists. Default none: the history is in
	// memory and ends with the process; with cluster.mode it is in Redis, shared by all
	// nodes.
	Path     string        `koanf:"path"`
	Fsync    string        `koanf:"fsync" default:"always" oneof:"always,interval" doc:"when a message is on the disk for sure: always before it is sent on, interval a moment later"`
	Interval time.Duration `koanf:"interval" default:"1s" doc:"that moment: a killed process loses what came since, and clients are told so (complete: false)"`
	Bytes    int           `koanf:"bytes" derived:"1GiB with history.path" max:"none" unit:"bytes" doc:"what all rooms remember together; the largest forgets first"`
}

// open returns the log that all relays share. Without a file that is the log of all
// nodes, if there is one.
func (h History) open(shared history.Log, log *slog.Logger) (history.Log, error) {
	if h.Path == "" && shared != nil {
		return shared, nil
	}
	if h.Path == "" {
		return history.NewMemory(h.Bytes), nil
	}
	d, err := history.OpenDisk(history.DiskConfig{Path: h.Path, Fsync: h.Fsync, Interval: h.Interval, Bytes: h.Bytes, Logger: log})
	if err != nil {
		return nil, err // not a nil *Disk in the interface
	}
	return d, nil
}
