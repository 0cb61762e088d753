package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// filled is a file with some entries in it, closed.
func filled(t *testing.T, entries int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	d, err := OpenDisk(DiskConfig{Path: path, Fsync: FsyncInterval})
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if _, err := d.Append(ctx, "r", Limits{}, Entry{Event: "e", Data: json.RawMessage(fmt.Sprintf(`"entry %d %s"`, i+1, strings.Repeat("x", 1000)))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestADamagedFileIsAnError(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"a text": func(t *testing.T, path string) {
			write0(t, path, bytes.Repeat([]byte("no history "), 2000))
		},
		"cut off": func(t *testing.T, path string) {
			mark(t, path)
			if err := os.Truncate(path, 64<<10); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, path string) {
			mark(t, path)
			text, err := os.ReadFile(path) // a test's own file
			if err != nil {
				t.Fatal(err)
			}
			copy(text[4*4096:], bytes.Repeat([]byte{0xff}, len(text)-4*4096))
			write0(t, path, text)
		},
		"of another program": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			db, err := bolt.Open(path, fileMode, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(func(tx *bolt.Tx) error {
				_, err := tx.CreateBucket([]byte("others"))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 200)
			damage(t, path)
			if _, err := OpenDisk(DiskConfig{Path: path}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("opening says %v", err)
			}
		})
	}
}

func write0(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, fileMode); err != nil {
		t.Fatal(err)
	}
}

// mark leaves a file as a killed process does.
func mark(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket(aboutBucket).Put(openKey, []byte(FsyncAlways)) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedEntryIsMissingAndTheAnswerSaysSo(t *testing.T) {
	path := filled(t, 20)
	text, err := os.ReadFile(path) // a test's own file
	if err != nil {
		t.Fatal(err)
	}
	write0(t, path, bytes.ReplaceAll(text, []byte(`"entry 7 `), []byte(`"ENTRY 7 `)))
	d := openDisk(t, DiskConfig{Path: path})
	page := read(t, d, "r", Limits{}, Query{Since: &Position{}})
	if page.Complete || span(page) != "8-20" {
		t.Errorf("%s, complete %v", span(page), page.Complete)
	}
}
