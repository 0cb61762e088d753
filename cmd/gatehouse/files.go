package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// serveFiles serves the files of a folder, and nothing that links lead to outside of it. The function that it returns lets
// go of the folder.
func serveFiles(dir string) (h http.Handler, done func(), err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("files: %w", err)
	}
	files := http.FileServerFS(listless{root.FS()})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache") // asked for again, and answered with 304
		files.ServeHTTP(w, r)
	}), func() { _ = root.Close() }, nil
}

// listless has files, and of folders no list: only their index.html is served. Names that begin with a dot are not there.
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
	if err == nil && info.IsDir() {
		_, err = fs.Stat(l.FS, path.Join(name, "index.html"))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
