package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTheDevKeyIsMadeOnceAndKeptForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "gatehouse")
	first, err := keptDevKey(dir, rand.Reader)
	if err != nil || len(first) != 64 {
		t.Fatalf("key of %d characters, %v", len(first), err)
	}
	if second, err := keptDevKey(dir, rand.Reader); err != nil || second != first {
		t.Errorf("the second start has another key (%v)", err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "dev.key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestStartsAtOnceAgreeOnOneDevKey(t *testing.T) {
	dir := t.TempDir()
	keys := make([]string, 32)
	var starts sync.WaitGroup
	for i := range keys {
		starts.Go(func() {
			var err error
			if keys[i], err = keptDevKey(dir, rand.Reader); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatal("two starts have two keys")
		}
	}
}

func TestABadDevKeyIsRefusedWithWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"readable by the group": {strings.Repeat("QUFB", 16), 0o640, "mode 0640"},
		"writable by all":       {strings.Repeat("QUFB", 16), 0o602, "mode 0602"},
		"empty":                 {"", 0o600, "damaged"},
		"short":                 {"QUFB", 0o600, "damaged"},
		"no base64":             {strings.Repeat("*", 64), 0o600, "damaged"},
		"huge":                  {strings.Repeat("QUFB", 100_000), 0o600, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := filepath.Join(home, "gatehouse", "dev.key")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.WriteFile(path, []byte(c.text), 0o600), os.Chmod(path, c.mode)); err != nil {
				t.Fatal(err)
			}
			r := gatehouse(t, []string{"XDG_STATE_HOME=" + home}, "token", "--dev", "--sub", "ada")
			refused(t, r, path, c.says, "remove the file")
		})
	}
}

func TestWithoutAHomeATokenIsRefusedInsteadOfSignedByAKeyNobodyKnows(t *testing.T) {
	refused(t, gatehouse(t, nil, "token", "--dev", "--sub", "ada"), "XDG_STATE_HOME")
}

func TestTheStateDirectoryFollowsXDG(t *testing.T) {
	for _, c := range []struct {
		environ environment
		want    string
	}{
		{environment{"XDG_STATE_HOME=/state", "HOME=/home/ada"}, "/state/gatehouse"},
		{environment{"HOME=/home/ada"}, "/home/ada/.local/state/gatehouse"},
		{environment{"XDG_STATE_HOME=relative", "HOME=/home/ada"}, "/home/ada/.local/state/gatehouse"},
	} {
		if got, err := stateDir(c.environ); err != nil || got != c.want {
			t.Errorf("%v: %s %v, want %s", c.environ, got, err, c.want)
		}
	}
}
