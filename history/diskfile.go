package history

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// file is a database that turns faults into errors: damage does not end the process.
type file struct {
	db         *bolt.DB
	path       string // the database's own path is the old one, from before a renaming
	generation uint64 // how many times entries may have been lost
}

// shown returns the epoch of a topic for positions. It changes when entries were lost.
func (f *file) shown(epoch string) string {
	if f.generation == 0 {
		return epoch
	}
	return epoch + "-" + encode(f.generation)
}

// openFile opens a file that no other process has open, checks it, and makes it
// smaller when most of it is free.
func openFile(cfg DiskConfig) (*file, error) {
	f, err := openDatabase(cfg.Path, cfg.lockFor)
	if err != nil {
		return nil, err
	}
	if f, err = f.compacted(cfg); err != nil {
		return nil, err
	}
	if err := f.begin(cfg.Fsync == FsyncInterval); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

// openDatabase opens the file as it is. When another process replaces the file
// meanwhile, it opens the new one.
func openDatabase(path string, lockFor time.Duration) (*file, error) {
	for {
		var held *os.File
		options := *bolt.DefaultOptions
		options.Timeout = lockFor
		options.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			held, err = os.OpenFile(name, flag, mode) // the path of the configuration
			return held, err
		}
		f := &file{path: path}
		err := guarded(func() (err error) {
			f.db, err = bolt.Open(path, fileMode, &options)
			return err
		})
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, ErrInUse
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
			return nil, fmt.Errorf("%w: %w; move it away to begin anew", ErrDamaged, err)
		case err != nil:
			return nil, err
		}
		if same, err := isStill(path, held); err != nil || same {
			return f, err
		}
		if err := f.db.Close(); err != nil {
			return nil, err
		}
	}
}

// isStill reports whether a path names an open file.
func isStill(path string, f *os.File) (bool, error) {
	open, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there), nil
}

// compacted replaces a file of which little is in use by a copy without gaps.
func (f *file) compacted(cfg DiskConfig) (*file, error) {
	path := cfg.Path
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	if info.Size() < cfg.freeAbove {
		return f, nil
	}
	if err := f.check(); err != nil { // before anything is copied from it
		return nil, errors.Join(err, f.db.Close())
	}
	used, err := f.used()
	if err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	if used > info.Size()/freeShare {
		return f, nil
	}
	small, err := f.smaller(cfg)
	switch {
	case errors.Is(err, ErrDamaged):
		return nil, errors.Join(err, f.db.Close())
	case err != nil: // for example no room for the copy: the file is used as it is
		cfg.Logger.Warn("the history's file cannot be made smaller", "path", path, "cause", err)
		return f, nil
	}
	return small, f.db.Close()
}

// smaller puts a copy without gaps in the place of the file, which nobody else has open.
func (f *file) smaller(cfg DiskConfig) (*file, error) {
	path := cfg.Path + copySuffix
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // a killed process may have left a copy
		return nil, err
	}
	small, err := openDatabase(path, cfg.lockFor)
	if err != nil {
		return nil, err
	}
	err = guarded(func() error { return bolt.Compact(small.db, f.db, copySize) })
	if err == nil {
		err = os.Rename(path, cfg.Path)
	}
	if err != nil {
		return nil, errors.Join(err, small.db.Close(), os.Remove(path))
	}
	small.path = cfg.Path
	return small, nil
}

// used returns how many bytes of the file are in use.
func (f *file) used() (n int64, err error) {
	err = f.update(func(tx *bolt.Tx) error { // which counts what is free
		n = tx.Size()
		return nil
	})
	stats := f.db.Stats()
	return n - int64(stats.FreePageN+stats.PendingPageN)*int64(f.db.Info().PageSize), err
}

// check refuses a file whose end is missing, or that is inconsistent.
func (f *file) check() error {
	return f.view(func(tx *bolt.Tx) error {
		info, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: it has %d of %d bytes; restore it, or move it away to begin anew", ErrDamaged, info.Size(), tx.Size())
		}
		var found error
		for err := range tx.Check() {
			found = err // the channel is read to its end: somebody writes into it
		}
		if found != nil {
			return fmt.Errorf("%w: %w; restore it, or move it away to begin anew", ErrDamaged, found)
		}
		return nil
	})
}

func (f *file) view(do func(*bolt.Tx) error) error {
	return guarded(func() error { return f.db.View(do) })
}

func (f *file) update(do func(*bolt.Tx) error) error {
	return guarded(func() error { return f.db.Update(do) })
}

// guarded turns the panics and faults that a damaged file causes in the database into
// errors.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, cause)
		}
	}()
	err = do()
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// The bucket with the state of the whole file.
var (
	aboutBucket   = []byte("about")
	formatKey     = []byte("format")
	generationKey = []byte("generation") // changes when entries may be lost
	openKey       = []byte("open")       // set while a process has the file open: "always" or "interval"
	heldKey       = []byte("held")       // bytes of all entries
	format        = "gatehouse history 1"
)

// begin marks the file as open. When the last process that had it open was killed, the
// file is checked, and if waiting entries are lost, earlier positions are void.
func (f *file) begin(loses bool) error {
	var left string
	if err := f.view(func(tx *bolt.Tx) error {
		about := tx.Bucket(aboutBucket)
		if about == nil {
			if k, _ := tx.Cursor().First(); k != nil {
				return fmt.Errorf("%w: it is the database of another program", ErrDamaged)
			}
			return nil
		}
		if got := string(about.Get(formatKey)); got != format {
			return fmt.Errorf("%w: its format is %q, not %q", ErrDamaged, got, format)
		}
		left = string(about.Get(openKey))
		return nil
	}); err != nil {
		return err
	}
	if left != "" {
		if err := f.check(); err != nil {
			return err
		}
	}
	return f.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{aboutBucket, topicsBucket, entriesBucket, sizesBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		about := tx.Bucket(aboutBucket)
		mark := FsyncAlways
		if loses {
			mark = FsyncInterval
		}
		f.generation = number(about.Get(generationKey))
		if left == FsyncInterval {
			f.generation++
		}
		return errors.Join(about.Put(formatKey, []byte(format)), about.Put(generationKey, numbered(f.generation)), about.Put(openKey, []byte(mark)))
	})
}

// close closes the file. whole says that no promised entry is missing.
func (f *file) close(whole bool) error {
	var err error
	if whole {
		err = f.update(func(tx *bolt.Tx) error { return tx.Bucket(aboutBucket).Delete(openKey) })
	}
	return errors.Join(err, guarded(f.db.Close))
}
