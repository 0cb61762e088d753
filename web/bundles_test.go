package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewcomers8_GoAloneServesTheClient holds whether or not npm has run.
func TestNewcomers8_GoAloneServesTheClient(t *testing.T) {
	for _, name := range clientNames {
		w := get(ClientBundle(), "/socket.io/"+name)
		wantStatus(t, w, http.StatusOK)
		if !strings.Contains(w.Body.String(), "Socket.IO v"+version(t)) {
			t.Errorf("%s is not of version %s", name, version(t))
		}
		wantStatus(t, get(ClientBundle(), "/socket.io/"+name+".map"), http.StatusOK)
	}
}

// version is the one that package.json asks for.
func version(t *testing.T) string {
	t.Helper()
	var pack struct{ Dependencies map[string]string }
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &pack); err != nil {
		t.Fatal(err)
	}
	return pack.Dependencies["socket.io-client"]
}

func TestTheClientInTheRepositoryIsThatOfThePackage(t *testing.T) {
	const folder = "node_modules/socket.io-client/dist"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("npm ci has not run in web")
	}
	for _, name := range clientNames {
		for _, name := range []string{name, name + ".map"} {
			want, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(filepath.Join("client", name)); !bytes.Equal(got, want) {
				t.Errorf("client/%s is not the package's: run npm run build in web and commit what it changes", name)
			}
		}
	}
}

func TestCompressedBundlesHoldTheSame(t *testing.T) {
	packed, err := fs.Glob(bundles, "client/*.gz")
	if err != nil || len(packed) != 2*len(clientNames) {
		t.Fatalf("%d files, %v", len(packed), err)
	}
	for _, name := range packed {
		text, _ := fs.ReadFile(bundles, name)
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		want, _ := fs.ReadFile(bundles, strings.TrimSuffix(name, ".gz"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s holds something else, %v", name, err)
		}
	}
}

func TestTheBundlesComeWithTheirTerms(t *testing.T) {
	text, err := fs.ReadFile(bundles, "client/LICENSES.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"socket.io-client", "engine.io-client", "debug", "notepack.io", "Permission is hereby granted", "copyright notice"} {
		if !strings.Contains(string(text), name) {
			t.Errorf("LICENSES.txt does not say %q", name)
		}
	}
}
