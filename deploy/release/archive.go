package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file or, with a name that ends in a slash, a directory of an archive.
type entry struct {
	name string
	mode int64
	data []byte
	uid  int // the owner and their group
}

// pack gives a tar of the entries in their order. Nothing in it depends on the
// machine or the moment.
func pack(entries []entry, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{
			Name: e.name, Mode: e.mode, Size: int64(len(e.data)), Uid: e.uid, Gid: e.uid, ModTime: at,
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", e.name, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", e.name, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// squeeze compresses as gzip does, without a name and a time in the head.
func squeeze(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// archive writes the tar.gz for who installs by hand.
func (r *release) archive(binary, arch string) error {
	built := filepath.Dir(binary)
	root := r.name(arch) + "/"
	entries := []entry{{name: root, mode: 0o755}}
	for _, f := range []struct {
		from, to string
		mode     int64
	}{
		{binary, "gatehouse", 0o755},
		{"LICENSE", "LICENSE", 0o644},
		{"README.md", "README.md", 0o644},
		{"CHANGELOG.md", "CHANGELOG.md", 0o644},
		{filepath.Join(built, "gatehouse.1"), "gatehouse.1", 0o644},
		{filepath.Join(built, "gatehouse.bash"), "gatehouse.bash", 0o644},
		{filepath.Join(built, "gatehouse.zsh"), "gatehouse.zsh", 0o644},
		{filepath.Join(built, "gatehouse.fish"), "gatehouse.fish", 0o644},
		{"deploy/systemd/gatehouse.service", "gatehouse.service", 0o644},
		{"deploy/systemd/gatehouse.yaml", "gatehouse.yaml", 0o644},
	} {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: root + f.to, mode: f.mode, data: data})
	}
	data, err := pack(entries, r.at)
	if err != nil {
		return err
	}
	if data, err = squeeze(data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, r.name(arch)+".tar.gz"), data, 0o644)
}

// sums writes what `sha256sum -c` reads.
func (r *release) sums() error {
	files, err := os.ReadDir(r.out) // sorted by name
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(r.out, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), f.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(list.String()), 0o644)
}
