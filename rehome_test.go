package gatehouse_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyTree copies the checkout, except built and downloaded files.
func copyTree(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || path == "bin" || path == "dist"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), text, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// in runs a command in a folder and returns its output.
func in(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -trimpath", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The command finds every import of the moved module and of a program that uses it, tests included. Compiling them under the
// new path would show no more: nothing but paths has changed.
func TestTheModuleMovesToAnotherPath(t *testing.T) {
	const home = "example.com/somebody/gatehouse"
	moved, foreign := t.TempDir(), t.TempDir()
	copyTree(t, moved)
	in(t, moved, "make", "--no-print-directory", "rehome", "MODULE="+home)
	if packages := in(t, moved, "go", "list", "-deps", "-test", "./..."); !strings.Contains(packages, home+"/namespaces\n") || strings.Contains(packages, "\ngatehouse") {
		t.Errorf("the packages are:\n%s", packages)
	}

	for name, text := range map[string]string{
		"main.go": contents(t, filepath.Join(moved, "server/testdata/embed/main.go")),
		"go.mod":  "module example.org/orders\n\ngo 1.26.0\n\nrequire " + home + " v0.0.0\n\nreplace " + home + " => " + moved + "\n",
		"go.sum":  contents(t, "go.sum"),
	} {
		if err := os.WriteFile(filepath.Join(foreign, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if packages := in(t, foreign, "go", "list", "-deps", "."); !strings.Contains(packages, home+"/server\n") {
		t.Errorf("the program's packages are:\n%s", packages)
	}
}

func TestAModuleNeedsAPathThatCanBeFetched(t *testing.T) {
	for _, path := range []string{"", "gatehouse", "/x", "a b", "example.com", "example.com/a|b"} {
		if out, err := exec.CommandContext(t.Context(), "deploy/rehome", path).CombinedOutput(); err == nil || !strings.Contains(string(out), "say where to") {
			t.Errorf("%q: %v, %s", path, err, out)
		}
	}
}
