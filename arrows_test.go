// Package gatehouse_test checks the shape of the source tree and of its
// documentation.
package gatehouse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "gatehouse"

// anything marks a package that may import all others.
const anything = "*"

// arrows are the packages of this module that each top-level package may import, as
// docs/architecture.md says. A package below it may import the same, and its
// neighbours in the tree.
var arrows = map[string][]string{
	"cmd":        {anything},
	"server":     {"handshake", "namespaces", "engine", "packet", "cluster", "web", "backend", "presence", "history", "internal"},
	"handshake":  {"internal"},
	"namespaces": {"handshake", "packet", "internal"},
	"engine":     {"internal"},
	"telemetry":  {},
	"deploy":     {},

	"namespaces/chat":  {"presence"}, // besides what namespaces may
	"namespaces/relay": {"presence", "history", "backend"},

	"packet":   {},
	"backend":  {"handshake", "internal"},
	"presence": {"handshake"},
	"history":  {},
	"cluster":  {"namespaces", "handshake", "packet", "history", "internal"},
	"bridge":   {"engine", "handshake", "packet"},
	"web":      {},
	"internal": {},
	"examples": {anything},
	"test":     {anything},
}

// listed is the output of `go list -json` for a package.
type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
	GoFiles    []string
}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	for _, p := range packages(t) {
		from := top(p.ImportPath)
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s: the design names no package %q; add it there and to this test", p.ImportPath, from)
			continue
		}
		allowed = append(slices.Clone(allowed), arrows[strings.TrimPrefix(p.ImportPath, module+"/")]...)
		for _, imported := range p.Imports {
			to := top(imported)
			if to == "" || to == from || slices.Contains(allowed, anything) || slices.Contains(allowed, to) {
				continue
			}
			t.Errorf("%s imports %s: %s may import %v of ours", p.ImportPath, imported, from, allowed)
		}
	}
}

func TestNobodyImportsACommand(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if top(imported) == "cmd" {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

func TestEveryPackageHasAPackageComment(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment: say what it is for and what it promises", p.ImportPath)
		}
	}
}

// top returns the first element of a path below our module, "" for others' packages.
func top(path string) string {
	below, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return ""
	}
	first, _, _ := strings.Cut(below, "/")
	return first
}

// packages lists the packages with code; folders with tests only have no arrows.
func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports,GoFiles", "./...").Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v: %s", err, failed.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
}
