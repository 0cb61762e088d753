package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The whole release, as `make release` builds it, twice. It takes minutes, so it runs where `make test-release` says which
// goreleaser to use.
func TestTheWholeReleaseIsTheSameTwice(t *testing.T) {
	program := os.Getenv("GORELEASER")
	if program == "" {
		t.Skip("make test-release runs it")
	}
	t.Chdir("../..")
	key := filepath.Join(t.TempDir(), "key")
	if said, err := command(t, ".", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	t.Setenv("SIGNING_KEY", key)
	t.Setenv("RELEASE_VERSION", "1.2.3")
	var sums, signatures []string
	for range 2 {
		if said, err := command(t, ".", program, "release", "--snapshot", "--clean"); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		sums, signatures = append(sums, string(read(t, "dist/SHA256SUMS"))), append(signatures, string(read(t, "dist/SHA256SUMS.sig")))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 9 || signatures[0] != signatures[1] {
		t.Errorf("the first release has\n%s the second\n%s", sums[0], sums[1])
	}
	signers := filepath.Join(t.TempDir(), "gatehouse.signers")
	write(t, signers, "gatehouse "+string(read(t, key+".pub")))
	if said, err := command(t, "dist", "bash", "-c", "ssh-keygen -Y verify -f "+signers+" -I gatehouse -n file -s SHA256SUMS.sig < SHA256SUMS"); err != nil {
		t.Errorf("the signature: %v: %s", err, said)
	}
	if said, err := command(t, "dist", "cp", "../bin/release/gatehouse_1.2.3_image.tar", "."); err != nil {
		t.Fatal(said)
	}
	if said, err := command(t, "dist", "sha256sum", "--check", "SHA256SUMS"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	lookAtArchive(t, "dist")
	lookAtPackage(t, "dist")
	lookAtParts(t, "dist")
}

// lookAtArchive unpacks the archive: its program is that of the image, too.
func lookAtArchive(t *testing.T, out string) {
	t.Helper()
	name := "gatehouse_1.2.3_linux_" + runtime.GOARCH
	files, heads := unpack(t, inflate(t, read(t, filepath.Join(out, name+".tar.gz"))))
	for _, file := range []string{"LICENSE", "README.md", "CHANGELOG.md", "gatehouse.1", "gatehouse.bash", "gatehouse.zsh", "gatehouse.fish", "gatehouse.service", "gatehouse.yaml"} {
		if len(files[name+"/"+file]) == 0 {
			t.Errorf("the archive has no %s", file)
		}
	}
	if !bytes.Equal(files[name+"/gatehouse"], read(t, filepath.Join("bin/release", runtime.GOARCH, "gatehouse"))) {
		t.Error("the program of the archive is not that of the image")
	}
	if h := heads[name+"/gatehouse"]; h == nil || h.Uid != 0 || h.Mode != 0o755 {
		t.Errorf("the program of the archive: %+v", h)
	}
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
