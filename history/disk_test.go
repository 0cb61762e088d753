package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

// A test runs this binary again as a process that it can kill, or that has no room on
// its disk: roleEnv says which, pathEnv names the file.
const (
	roleEnv = "HISTORY_TEST_ROLE"
	pathEnv = "HISTORY_TEST_PATH"
)

var ctx = context.Background() // the other process has no test

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := act(role, os.Getenv(pathEnv)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// act runs in the other process. It ends when the process is killed, or there is no
// room.
func act(role, path string) error {
	switch role {
	case FsyncAlways:
		d, err := OpenDisk(DiskConfig{Path: path})
		if err != nil {
			return err
		}
		return appendForever(d)
	case FsyncInterval:
		d, err := OpenDisk(DiskConfig{Path: path, Fsync: FsyncInterval, Interval: time.Millisecond})
		if err != nil {
			return err
		}
		return appendForever(d)
	case "full":
		return fillUp(path)
	}
	return errors.New("there is no such role")
}

// appendForever prints the position of each entry, and with FsyncInterval how many are
// in the file for sure.
func appendForever(d *Disk) error {
	for n := 1; ; n++ {
		at, err := d.Append(ctx, "r", Limits{}, Entry{Event: "e", Data: json.RawMessage(strconv.Itoa(n))})
		if err != nil {
			return err
		}
		safe := n
		if d.cfg.Fsync == FsyncInterval {
			written, err := d.bytes()
			if err != nil {
				return err
			}
			safe = written / (&Entry{Event: "e", Data: json.RawMessage("1")}).size() / 2 // at least: numbers have several digits
		}
		fmt.Println(at.Offset, at.Epoch, safe)
	}
}

// fillUp writes until the file may not grow any more, and prints the state of the log.
func fillUp(path string) error {
	const most = 1 << 20
	signal.Ignore(syscall.SIGXFSZ)
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: free.Max}); err != nil {
		return err
	}
	d, err := OpenDisk(DiskConfig{Path: path})
	if err != nil {
		return err
	}
	large := Entry{Data: json.RawMessage(strings.Repeat("1", 10_000))}
	var last Position
	for {
		at, err := d.Append(ctx, "r", Limits{}, large)
		if err != nil {
			fmt.Println("refused:", err)
			break
		}
		last = at
	}
	page, err := d.Read(ctx, "r", Limits{}, Query{Limit: 1})
	if err != nil {
		return err
	}
	fmt.Println("there:", page.Position == last, len(page.Entries))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil { // somebody makes room
		return err
	}
	at, err := d.Append(ctx, "r", Limits{}, large)
	fmt.Println("goes on:", at.Offset == last.Offset+1, err)
	return d.Close()
}

func other(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe)
	c.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	return c
}

// killed runs the other process until it has printed enough, kills it, and returns its
// last line.
func killed(t *testing.T, role, path string) (at Position, safe int) {
	t.Helper()
	c := other(t, role, path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for said := 0; lines.Scan(); {
		if _, err := fmt.Sscan(lines.Text(), &at.Offset, &at.Epoch, &safe); err != nil {
			t.Fatalf("it says %q", lines.Text())
		}
		if said++; said >= 50 && safe > 0 {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil || at.Offset < 50 {
		t.Fatalf("it ended by itself after %d: %v", at.Offset, err)
	}
	return at, safe
}

func TestWhatWasAppendedIsThereAfterKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	last, _ := killed(t, FsyncAlways, path)
	d := openDisk(t, DiskConfig{Path: path})
	page := read(t, d, "r", Limits{}, Query{Since: &Position{last.Offset - 40, last.Epoch}})
	if !page.Complete || len(page.Entries) < 40 {
		t.Errorf("complete %v, %d entries; it had said %d", page.Complete, len(page.Entries), last.Offset)
	}
	for i, e := range page.Entries {
		want := last.Offset - 39 + uint64(i)
		if e.Offset != want || string(e.Data) != strconv.FormatUint(want, 10) {
			t.Fatalf("entry %d is %d: %s", want, e.Offset, e.Data)
		}
	}
	if at := add(t, d, "r", Limits{}, 1); at.Epoch != last.Epoch || at.Offset <= last.Offset {
		t.Errorf("it goes on with %v after %v", at, last)
	}
}

func TestWithAnIntervalKill9TakesTheEndAndSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	last, safe := killed(t, FsyncInterval, path)
	d := openDisk(t, DiskConfig{Path: path})
	all := read(t, d, "r", Limits{}, Query{Since: &Position{}, Limit: mostEntries})
	if safe == 0 || len(all.Entries) < safe || uint64(len(all.Entries)) > last.Offset+1 {
		t.Errorf("%d entries are there; %d were in the file, %d sent", len(all.Entries), safe, last.Offset)
	}
	for i, e := range all.Entries {
		if e.Offset != uint64(i+1) || string(e.Data) != strconv.Itoa(i+1) {
			t.Fatalf("entry %d is %d: %s", i+1, e.Offset, e.Data)
		}
	}
	if page := read(t, d, "r", Limits{}, Query{Since: &last}); page.Complete || page.Position.Epoch == last.Epoch {
		t.Errorf("whoever has seen %v is told that nothing is missing: %+v", last, page.Position)
	}
}

func TestAFileThatIsClosedKeepsItsPositions(t *testing.T) {
	for _, fsync := range []string{FsyncAlways, FsyncInterval} {
		t.Run(fsync, func(t *testing.T) {
			cfg := DiskConfig{Path: filepath.Join(t.TempDir(), "history.db"), Fsync: fsync, Interval: time.Hour}
			d, err := OpenDisk(cfg)
			if err != nil {
				t.Fatal(err)
			}
			entry := Entry{Event: "drawn", Data: json.RawMessage(`{"a":{"_placeholder":true,"num":0}}`), Attachments: [][]byte{{1, 2}, {}}, Meta: json.RawMessage(`{"from":"ada"}`)}
			at, err := d.Append(ctx, "r", Limits{}, entry)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Append(ctx, "r", Limits{}, entry); !errors.Is(err, ErrClosed) {
				t.Errorf("a closed log: %v", err)
			}
			if _, err := d.Read(ctx, "r", Limits{}, Query{}); !errors.Is(err, ErrClosed) {
				t.Errorf("a closed log is read: %v", err)
			}
			d = openDisk(t, cfg)
			page := read(t, d, "r", Limits{}, Query{})
			if page.Position != at || len(page.Entries) != 1 {
				t.Fatalf("page %+v, not at %v", page, at)
			}
			got := page.Entries[0]
			if got.Event != entry.Event || string(got.Data) != string(entry.Data) || string(got.Meta) != string(entry.Meta) ||
				len(got.Attachments) != 2 || !bytes.Equal(got.Attachments[0], []byte{1, 2}) || got.At.IsZero() {
				t.Errorf("entry %+v", got)
			}
			if p := read(t, d, "r", Limits{}, Query{Since: &at}); !p.Complete {
				t.Error("a position of before is not known any more")
			}
		})
	}
}

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	said, err := other(t, "full", filepath.Join(t.TempDir(), "history.db")).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, want := range []string{"file too large", "there: true 1", "goes on: true <nil>"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("it does not say %q but:\n%s", want, said)
		}
	}
}

func TestTwoProcessesHaveNotOneFile(t *testing.T) {
	cfg := DiskConfig{Path: filepath.Join(t.TempDir(), "history.db"), lockFor: time.Millisecond}
	openDisk(t, cfg)
	if _, err := OpenDisk(cfg); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), cfg.Path) {
		t.Errorf("the second is told %v", err)
	}
}

func TestAFileWithoutItsDirectoryIsAnError(t *testing.T) {
	if _, err := OpenDisk(DiskConfig{Path: filepath.Join(t.TempDir(), "none", "history.db")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening says %v", err)
	}
}

func TestAFileThatIsMostlyFreeIsMadeSmaller(t *testing.T) {
	path := filled(t, 1500)
	d, err := OpenDisk(DiskConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	last := add(t, d, "r", Limits{Messages: 10}, 1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	before := sizeOf(t, path)
	d = openDisk(t, DiskConfig{Path: path, freeAbove: 1 << 20})
	if after := sizeOf(t, path); after > before/4 {
		t.Errorf("the file has %d bytes, and had %d", after, before)
	}
	if page := read(t, d, "r", Limits{}, Query{}); page.Position != last || len(page.Entries) != 10 {
		t.Errorf("afterwards: %s at %v", span(page), page.Position)
	}
	if _, err := OpenDisk(DiskConfig{Path: path, lockFor: time.Millisecond}); !errors.Is(err, ErrInUse) {
		t.Errorf("the new file is not locked: %v", err)
	}
}

func TestAfterACrashAFileIsMadeSmallerToo(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, path string){
		"nothing":     func(*testing.T, string) {},
		"half a copy": func(t *testing.T, path string) { rest(t, path) },
		"no way to copy": func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 1500)
			rest(t, path)
			leave(t, path+copySuffix)
			before := sizeOf(t, path)
			d := openDisk(t, DiskConfig{Path: path, freeAbove: 1})
			if after := sizeOf(t, path); (after > before/4) != (name == "no way to copy") {
				t.Errorf("the file has %d bytes, and had %d", after, before)
			}
			add(t, d, "r", Limits{}, 1)
		})
	}
}

// rest leaves a file with hardly an entry, as a killed process does.
func rest(t *testing.T, path string) {
	t.Helper()
	f, err := openDatabase(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.begin(false); err != nil {
		t.Fatal(err)
	}
	if err := f.update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(entriesBucket); err != nil {
			return err
		}
		_, err := tx.CreateBucket(entriesBucket)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestOldEntriesGoThoughNobodyComes(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_000_000, 0)
	pass := func(by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(by)
	}
	d := openDisk(t, DiskConfig{Path: filepath.Join(t.TempDir(), "history.db"), Clock: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	limits := Limits{Age: time.Hour}
	at := add(t, d, "r", limits, 3)
	add(t, d, "kept", Limits{}, 1)
	pass(2 * time.Hour)
	d.sweep()
	if n := held(t, d); n != (&Entry{Event: "e", Data: json.RawMessage(`1`)}).size() {
		t.Errorf("%d bytes are held", n)
	}
	if p := read(t, d, "r", limits, Query{Since: &at}); !p.Complete || p.Position != at {
		t.Errorf("who has seen all is told %+v", p)
	}
	pass(emptyFor)
	d.sweep()
	if p := read(t, d, "r", limits, Query{Since: &at}); p.Complete {
		t.Error("a topic that is forgotten says that nothing is missing")
	}
	if p := add(t, d, "r", limits, 1); p.Epoch == at.Epoch || p.Offset != 1 {
		t.Errorf("it begins anew with %v, after %v", p, at)
	}
}

// TestManyAppendAtOnce also holds that they share writes: each alone would wait for the
// disk two hundred times.
func TestManyAppendAtOnce(t *testing.T) {
	d := openDisk(t, DiskConfig{Path: filepath.Join(t.TempDir(), "history.db")})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				if _, err := d.Append(ctx, "r", Limits{}, Entry{Event: "e", Data: json.RawMessage(`1`)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if p := read(t, d, "r", Limits{}, Query{Since: &Position{}, Limit: mostEntries}); span(p) != "1-200" || !p.Complete {
		t.Errorf("%s, complete %v", span(p), p.Complete)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, fsync := range []string{"memory", FsyncAlways, FsyncInterval} {
		b.Run(fsync, func(b *testing.B) {
			var l Log = NewMemory(0)
			if fsync != "memory" {
				d, err := OpenDisk(DiskConfig{Path: filepath.Join(b.TempDir(), "history.db"), Fsync: fsync})
				if err != nil {
					b.Fatal(err)
				}
				l = d
			}
			e := Entry{Event: "message", Data: json.RawMessage(`"` + strings.Repeat("x", 200) + `"`)}
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Append(ctx, "r", Limits{Messages: 200}, e); err != nil {
						b.Error(err)
						return
					}
				}
			})
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
