package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The values of DiskConfig.Fsync: when entries are on the disk for sure, even after a loss
// of power.
const (
	// FsyncAlways writes before Append returns. Appends that come together share one write.
	FsyncAlways = "always"
	// FsyncInterval writes after DiskConfig.Interval at the latest. A process that is
	// killed loses the entries since the last write. Positions then get a new epoch, so
	// that no client takes a later entry for one that it has seen.
	FsyncInterval = "interval"
)

// Defaults of DiskConfig.
const (
	DefaultDiskBytes     = 1 << 30 // 1 GiB
	DefaultFsyncInterval = time.Second
	defaultLockFor       = time.Second
	defaultFreeAbove     = 64 << 20
)

// DiskConfig says where and how a [Disk] keeps entries.
type DiskConfig struct {
	Path     string           // path of the file; its directory must exist
	Fsync    string           // FsyncAlways or FsyncInterval; empty means FsyncAlways
	Interval time.Duration    // for FsyncInterval; zero means DefaultFsyncInterval
	Bytes    int              // limit for all topics together; zero means DefaultDiskBytes
	Clock    func() time.Time // nil is time.Now
	Logger   *slog.Logger     // nil is slog.Default

	lockFor   time.Duration // how long another process may take to end; zero means defaultLockFor
	freeAbove int64         // size of a file, in bytes, below which its free part does not matter; zero means defaultFreeAbove
}

var (
	// ErrClosed is the error of a log that has been closed.
	ErrClosed = errors.New("the history is closed")
	// ErrDamaged says that the file was not made by [OpenDisk], or is damaged.
	ErrDamaged = errors.New("is damaged, or no history")
	// ErrInUse says that another process has the file open.
	ErrInUse = errors.New("is in use by another process")
	// errSlow refuses entries that come faster than the disk takes them.
	errSlow = errors.New("the disk is too slow for the messages that are sent")
)

const (
	sweepEvery = time.Minute    // how often topics whose age limit has passed are looked for
	sweepSize  = 1000           // topics at a time
	emptyFor   = 24 * time.Hour // how long an empty topic is remembered, so that its offsets go on
	mostWrites = 1000           // of one transaction
	flushAbove = 8 << 20        // how many waiting bytes begin a write early
	mostWaits  = 8 * flushAbove // bytes that wait at most
	fileMode   = 0o600          // messages of people
	freeShare  = 2              // a file of which less than one part in so many is used is rewritten at the start
	copySize   = 1 << 20        // how many bytes one transaction of the rewriting takes
	copySuffix = ".compact"     // of the new file
)

// Disk is a [Log] in a file of this machine. Only one process at a time can have it
// open. The size of all topics together is bounded: the largest topic forgets first.
type Disk struct {
	cfg  DiskConfig
	log  *slog.Logger
	file *file

	writes  chan *write   // of FsyncAlways
	early   chan struct{} // signals that a write should begin before its time
	closing chan struct{}
	ended   chan struct{}
	close   sync.Once
	err     error // error of the last write; read after ended

	mu      sync.Mutex // guards what follows
	waiting tails      // for FsyncInterval: entries that are not on the disk yet
	leaving tails      // being written
	failed  error      // error of the last write; while it is set no entries are accepted
}

// write is an entry on its way to the disk, and its result.
type write struct {
	topic  string
	limits Limits
	entry  Entry
	at     Position
	err    error
	done   chan struct{}
}

// OpenDisk opens the file of a log, and makes it when there is none. The error wraps
// [ErrInUse] or [ErrDamaged] where that is the cause. After a run that did not end by
// [Disk.Close] the whole file is checked.
func OpenDisk(cfg DiskConfig) (*Disk, error) {
	cfg.Fsync = cmp.Or(cfg.Fsync, FsyncAlways)
	cfg.Interval = cmp.Or(cfg.Interval, DefaultFsyncInterval)
	cfg.Bytes = cmp.Or(cfg.Bytes, DefaultDiskBytes)
	cfg.lockFor = cmp.Or(cfg.lockFor, defaultLockFor)
	cfg.freeAbove = cmp.Or(cfg.freeAbove, defaultFreeAbove)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Fsync != FsyncAlways && cfg.Fsync != FsyncInterval {
		return nil, fmt.Errorf("fsync: %q is none of %s, %s", cfg.Fsync, FsyncAlways, FsyncInterval)
	}
	f, err := openFile(cfg)
	if err != nil {
		return nil, fmt.Errorf("history file %s: %w", cfg.Path, err)
	}
	d := &Disk{
		cfg: cfg, log: cfg.Logger, file: f, waiting: noTails(),
		writes: make(chan *write), early: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go d.run()
	return d, nil
}

// Append implements Log. With FsyncAlways the entry is on the disk when it returns.
func (d *Disk) Append(ctx context.Context, topic string, limits Limits, e Entry) (Position, error) {
	if err := ctx.Err(); err != nil {
		return Position{}, err
	}
	if e.At.IsZero() {
		e.At = d.cfg.Clock()
	}
	if d.cfg.Fsync == FsyncInterval {
		return d.hold(topic, limits, e)
	}
	w := &write{topic: topic, limits: limits, entry: e, done: make(chan struct{})}
	select {
	case d.writes <- w:
	case <-d.closing:
		return Position{}, ErrClosed
	case <-ctx.Done():
		return Position{}, ctx.Err()
	}
	<-w.done // it is being written: only the result of the write tells whether it is there
	return Position{w.at.Offset, d.file.shown(w.at.Epoch)}, w.err
}

// Read implements Log.
func (d *Disk) Read(ctx context.Context, topic string, limits Limits, q Query) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	d.mu.Lock()
	end := d.endingLocked(topic) // before the file is read, so that no entry falls between the two
	d.mu.Unlock()
	var page Page
	err := d.file.view(func(tx *bolt.Tx) (err error) {
		page, err = d.readTopic(tx, topic, limits, q, end)
		return err
	})
	return page, err
}

// bytes returns how many bytes are on the disk.
func (d *Disk) bytes() (n int, err error) {
	err = d.file.view(func(tx *bolt.Tx) error {
		n = heldOf(tx)
		return nil
	})
	return n, err
}

// Close writes waiting entries, and closes the file.
func (d *Disk) Close() error {
	d.close.Do(func() { close(d.closing) })
	<-d.ended
	return d.err
}
