package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// standIn is a release of a program of a few bytes, from the files of the
// repository, into a directory of the test's own.
func standIn(t *testing.T) *release {
	t.Helper()
	if _, err := os.Stat("LICENSE"); err != nil {
		t.Chdir("../..") // where a release is made
	}
	r := &release{version: "1.2.3", at: time.Unix(1_700_000_000, 0).UTC(), out: t.TempDir(), archs: []string{"amd64", "arm64"}}
	r.roots = filepath.Join(t.TempDir(), "roots.pem")
	write(t, r.roots, "roots")
	return r
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// assemble does everything that make does after compiling.
func assemble(t *testing.T, r *release) {
	t.Helper()
	var images []image
	for _, arch := range r.archs {
		binary := filepath.Join(t.TempDir(), arch, "gatehouse")
		write(t, binary, "gatehouse for "+arch)
		layer, err := r.layer(binary)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image{arch, layer})
	}
	if err := r.writeImage(images); err != nil {
		t.Fatal(err)
	}
}

// unpack returns the files of a tar by name.
func unpack(t *testing.T, data []byte) (files map[string][]byte, heads map[string]*tar.Header) {
	t.Helper()
	files, heads = make(map[string][]byte), make(map[string]*tar.Header)
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, heads
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		heads[h.Name] = h
	}
}

func inflate(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheSameFilesMakeTheSameImage(t *testing.T) {
	one, two := standIn(t), standIn(t)
	assemble(t, one)
	assemble(t, two)
	const name = "gatehouse_1.2.3_image.tar"
	if !bytes.Equal(read(t, filepath.Join(one.out, name)), read(t, filepath.Join(two.out, name))) {
		t.Error("two images of the same files differ")
	}
}

// The layout is followed from its top, as a registry does.
func TestTheImageIsALayoutForBothMachines(t *testing.T) {
	r := standIn(t)
	assemble(t, r)
	files, _ := unpack(t, read(t, filepath.Join(r.out, "gatehouse_1.2.3_image.tar")))
	if string(files["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout: %s", files["oci-layout"])
	}
	blob := func(d descriptor, into any) []byte {
		t.Helper()
		data := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if len(data) != d.Size || d.Digest != fmt.Sprintf("sha256:%x", sha256.Sum256(data)) {
			t.Fatalf("%+v is %d bytes", d, len(data))
		}
		if into != nil {
			if err := json.Unmarshal(data, into); err != nil {
				t.Fatal(err)
			}
		}
		return data
	}
	var top, all struct{ Manifests []descriptor }
	if err := json.Unmarshal(files["index.json"], &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%s: %v", files["index.json"], err)
	}
	blob(top.Manifests[0], &all)
	for i, arch := range r.archs {
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		blob(all.Manifests[i], &manifest)
		var config struct {
			Architecture string
			Config       struct {
				User            string
				Entrypoint, Cmd []string
			}
			Rootfs struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		blob(manifest.Config, &config)
		layer := inflate(t, blob(manifest.Layers[0], nil))
		if config.Architecture != arch || all.Manifests[i].Platform.Arch != arch || config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/gatehouse" {
			t.Errorf("%+v", config)
		}
		if config.Rootfs.DiffIDs[0] != fmt.Sprintf("sha256:%x", sha256.Sum256(layer)) {
			t.Errorf("the layer is not %s", config.Rootfs.DiffIDs[0])
		}
		inside, heads := unpack(t, layer)
		if string(inside["gatehouse"]) != "gatehouse for "+arch || heads["gatehouse"].Mode != 0o755 || string(inside["etc/ssl/certs/ca-certificates.crt"]) != "roots" {
			t.Errorf("the layer has %v", heads)
		}
		if state := heads["var/lib/gatehouse/"]; state.Uid != nobody || fs.FileMode(state.Mode).Perm() != 0o700 {
			t.Errorf("the state directory: %+v", state)
		}
	}
}

func TestAVersionIsWrittenWithoutItsLetter(t *testing.T) {
	for _, version := range []string{"", "v1.2.3"} {
		if err := (&release{version: version}).make(t.Context()); err == nil || !strings.Contains(err.Error(), "1.2.3") {
			t.Errorf("%q: %v", version, err)
		}
	}
}
