package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// serveFiles serves the files of a folder, and no file that a link leads to outside of it. The function that it returns
// closes the folder.
func serveFiles(dir string) (h http.Handler, done func(), err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("files: %w", err)
	}
	files := http.FileServerFS(listless{root.FS()})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache") // browsers ask again, and get 304
		files.ServeHTTP(patient{w}, r)
	}), func() { _ = root.Close() }, nil
}

// listless serves files but no lists of folders: of a folder only its index.html is served. Names that begin with a dot are
// not there.
type listless struct{ fs.FS }

// Open implements fs.FS.
func (l listless) Open(name string) (fs.File, error) {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	f, err := l.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		return f, nil
	}
	if err == nil {
		err = l.hasPage(name)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return folder{f}, nil
}

// hasPage returns an error when the index.html of a folder cannot be opened: net/http would list the folder instead of a page that
// it cannot read.
func (l listless) hasPage(dir string) error {
	name := path.Join(dir, "index.html")
	f, err := l.FS.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return err
}

// folder is an open folder that cannot be listed, even if its index.html goes away meanwhile.
type folder struct{ fs.File }

// slowestLine is how many bytes of a file a client has to take a second, after a minute.
const slowestLine = 32 << 10

// patient is a response that gets as much time as its size takes on a slow line.
type patient struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (p patient) WriteHeader(status int) {
	if size, err := strconv.ParseInt(p.Header().Get("Content-Length"), 10, 64); err == nil {
		patience := time.Minute + time.Duration(size/slowestLine)*time.Second
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(patience)) // a test's writer has none
	}
	p.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
