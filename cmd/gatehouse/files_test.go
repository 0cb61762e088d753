package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOnlyFilesOfTheFolderAreServed(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "public")
	for name, text := range map[string]string{
		"public/index.html": "the page", "public/js/client.js": "the client", "public/.env": "a secret", "public/.git/config": "a secret", "public/odd/index.html/secret": "", "secret.txt": "a secret",
	} {
		path := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.txt", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	h, done, err := serveFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for path, want := range map[string]int{
		"/": 200, "/js/client.js": 200, "/js/": 404, "/js": 404, "/odd/": 404, "/odd/index.html/": 404, "/none": 404, "/.env": 404, "/.git/config": 404, "/js/../.env": 404,
		"/../secret.txt": 404, "/..%2fsecret.txt": 404, "/link.txt": 0, "/\x00": 0,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.Path = strings.ReplaceAll(path, "%2f", "/")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if want == 0 && w.Code < 400 || want != 0 && w.Code != want && (want != 404 || w.Code != 400) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if _, _, err := serveFiles(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "files: ") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// deadlined is a writer that notes until when it may be written to.
type deadlined struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.until = t
	return nil
}

func TestALargeFileHasTheTimeOfASlowLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "film")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100<<20); err != nil { // which takes no room on the disk
		t.Fatal(err)
	}
	h, done, err := serveFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	began, w := time.Now(), &deadlined{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/film", nil))
	if patience := w.until.Sub(began); w.Code != 200 || patience < 50*time.Minute {
		t.Errorf("100 MiB: %d, to be taken in %v", w.Code, patience)
	}
}
