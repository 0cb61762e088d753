package server

import (
	"log/slog"
	"time"

	"gatehouse/history"
)

// History says where namespaces of the configuration keep what their rooms remember.
// How much a room remembers, its rule says.
type History struct {
	// Path is the file, in a directory that is there. Default none: what is remembered is
	// in memory, and gone with the process.
	Path string `koanf:"path"`
	// Fsync is when messages are on the disk for sure: "always" before they are sent on,
	// "interval" a moment later. Default "always".
	Fsync string `koanf:"fsync"`
	// Interval is that moment. Default 1s.
	Interval time.Duration `koanf:"interval"`
	// Bytes is how much all rooms remember together; the largest forgets first. Default
	// 268,435,456 in memory, 1,073,741,824 in a file.
	Bytes int `koanf:"bytes"`
}

func (h *History) setDefaults() {
	setDefault(&h.Fsync, history.FsyncAlways)
	setDefault(&h.Interval, history.DefaultFsyncInterval)
	if h.Path != "" {
		setDefault(&h.Bytes, history.DefaultDiskBytes)
	}
	setDefault(&h.Bytes, history.DefaultBytes)
}

// open returns the log that all relays share.
func (h History) open(log *slog.Logger) (history.Log, error) {
	if h.Path == "" {
		return history.NewMemory(h.Bytes), nil
	}
	d, err := history.OpenDisk(history.DiskConfig{Path: h.Path, Fsync: h.Fsync, Interval: h.Interval, Bytes: h.Bytes, Logger: log})
	if err != nil {
		return nil, err // no *Disk of nil in the interface
	}
	return d, nil
}
