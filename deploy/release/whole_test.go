package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The whole release, as `make release` builds it, for this machine. It takes
// minutes, so it runs where `make test-release` says which programs to use.
func TestTheWholeReleaseIsTheSameTwice(t *testing.T) {
	nfpm, parts := os.Getenv("RELEASE_NFPM"), os.Getenv("RELEASE_CYCLONEDX")
	if nfpm == "" || parts == "" {
		t.Skip("make test-release runs it")
	}
	t.Chdir("../..")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var sums []string
	var out string
	for range 2 {
		out = filepath.Join(t.TempDir(), "dist")
		r := release{version: "1.2.3", out: out, archs: []string{runtime.GOARCH}, roots: "/etc/ssl/certs/ca-certificates.crt", nfpm: nfpm, sbom: parts}
		if err := r.make(t.Context()); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(read(t, filepath.Join(out, "SHA256SUMS"))))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 5 {
		t.Errorf("the first release has\n%s the second\n%s", sums[0], sums[1])
	}
	if said, err := command(t, out, "sha256sum", "--check", "SHA256SUMS"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	lookAtPackage(t, out)
	lookAtParts(t, out)
}

func command(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lookAtPackage unpacks the deb and runs the program in it.
func lookAtPackage(t *testing.T, out string) {
	t.Helper()
	root := t.TempDir()
	deb := "gatehouse_1.2.3_" + runtime.GOARCH + ".deb"
	if said, err := command(t, out, "dpkg-deb", "--extract", deb, root); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, file := range []string{"usr/lib/systemd/system/gatehouse.service", "usr/lib/sysusers.d/gatehouse.conf", "etc/gatehouse/gatehouse.yaml", "usr/share/man/man1/gatehouse.1"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Error(err)
		}
	}
	said, err := command(t, root, filepath.Join(root, "usr/bin/gatehouse"), "--version")
	if err != nil || strings.TrimSpace(said) != "v1.2.3" {
		t.Errorf("%q, %v", said, err)
	}
	if said, err := command(t, out, "dpkg-deb", "--field", deb, "Depends"); err != nil || strings.TrimSpace(said) != "systemd" {
		t.Errorf("%q, %v", said, err)
	}
}

// lookAtParts asks the list for a module that is in the program, and for one that is not.
func lookAtParts(t *testing.T, out string) {
	t.Helper()
	var list struct {
		BomFormat  string
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(read(t, filepath.Join(out, "gatehouse_1.2.3_linux_"+runtime.GOARCH+".cdx.json")), &list); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, c := range list.Components {
		names[c.Name] = true
	}
	if list.BomFormat != "CycloneDX" || !names["github.com/redis/rueidis"] || names["go.uber.org/goleak"] {
		t.Errorf("%s lists %d modules, %v", list.BomFormat, len(names), names)
	}
}
