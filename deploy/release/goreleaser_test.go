package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// settings are the keys that .goreleaser.yaml uses. goreleaser itself checks the rest in `make test-release`.
type settings struct {
	Version int
	Name    string `yaml:"project_name"`
	Dist    string
	Before  struct{ Hooks []string }
	Builds  []struct {
		Main                         string
		Targets, Env, Flags, Ldflags []string
		At                           string `yaml:"mod_timestamp"`
	}
	Archives []struct {
		ID      string
		Formats []string
		Name    string `yaml:"name_template"`
		Wrap    bool   `yaml:"wrap_in_directory"`
		Program owner  `yaml:"builds_info"`
		Files   []struct {
			Src   string
			Strip bool `yaml:"strip_parent"`
			Info  owner
		}
	}
	Packages []struct {
		ID                                                                 string
		Formats                                                            []string
		Name                                                               string `yaml:"file_name_template"`
		Mtime, Section, Priority, Maintainer, Description, License, Bindir string
		Dependencies                                                       []string
		Contents                                                           []struct {
			Src, Dst, Type string
			Info           owner `yaml:"file_info"`
		}
		Scripts map[string]string
	} `yaml:"nfpms"`
	Parts []struct {
		ID, Artifacts, Cmd string //nolint:misspell // the word is theirs
		Documents, Args    []string
	} `yaml:"sboms"`
	Checksum struct {
		IDs       []string
		Name      string `yaml:"name_template"`
		Algorithm string
		Extra     []struct{ Glob string } `yaml:"extra_files"`
	}
	Signs []struct {
		ID, Artifacts, Cmd, Signature string //nolint:misspell // the word is theirs
		Args                          []string
	}
	Snapshot struct {
		Version string `yaml:"version_template"`
	}
	Changelog, Release struct{ Disable bool }
}

type owner struct {
	Owner, Group, Mtime string
	Mode                int
}

func goreleaser(t *testing.T) (s settings) {
	t.Helper()
	if _, err := os.Stat("LICENSE"); err != nil {
		t.Chdir("../..")
	}
	d := yaml.NewDecoder(bytes.NewReader(read(t, ".goreleaser.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The image is built beside goreleaser, of the same program.
func TestTheImageHasTheProgramOfThePackages(t *testing.T) {
	s, r := goreleaser(t), release{version: "{{ .Version }}"}
	b := s.Builds[0]
	if flags := slices.Concat(b.Flags, []string{"-ldflags"}, b.Ldflags); !slices.Equal(flags, r.flags()) {
		t.Errorf("the packages are built with %q, the image with %q", flags, r.flags())
	}
	if !slices.Equal(b.Targets, []string{"linux_amd64_v1", "linux_arm64_v8.0"}) || !slices.Equal(b.Env, []string{"CGO_ENABLED=0", "GOFLAGS="}) {
		t.Errorf("the packages are built for %q with %q", b.Targets, b.Env)
	}
	if !strings.Contains(s.Before.Hooks[0], "./deploy/release -version {{ .Version }} -out bin/release") || s.Checksum.Extra[0].Glob != "bin/release/gatehouse_{{ .Version }}_image.tar" {
		t.Errorf("%q makes what %q finds", s.Before.Hooks, s.Checksum.Extra)
	}
}

// Packed files are in the repository or made beforehand, and have an owner and a time that do not depend on the
// machine.
func TestWhatIsPackedIsThere(t *testing.T) {
	s := goreleaser(t)
	made := []string{"bin/release/gatehouse.1", "bin/release/gatehouse.bash", "bin/release/gatehouse.zsh", "bin/release/gatehouse.fish"}
	there := func(src string) {
		t.Helper()
		if _, err := os.Stat(src); err != nil && !slices.Contains(made, src) && src != "bin/release/gatehouse.*" {
			t.Error(err)
		}
	}
	const at = "{{ .Env.RELEASE_TIME }}"
	archive, packages := s.Archives[0], s.Packages[0]
	for _, f := range archive.Files {
		if there(f.Src); f.Info != (owner{"root", "root", at, 0o644}) || f.Strip != strings.Contains(f.Src, "/") {
			t.Errorf("%s: %+v", f.Src, f.Info)
		}
	}
	for _, f := range packages.Contents {
		if there(f.Src); f.Info.Mtime != at || f.Info.Mode != 0o644 {
			t.Errorf("%s: %+v", f.Src, f.Info)
		}
	}
	for _, script := range packages.Scripts {
		there(script)
	}
	if archive.Program != (owner{"root", "root", at, 0o755}) || packages.Mtime != at || s.Builds[0].At != "{{ .Env.SOURCE_DATE_EPOCH }}" {
		t.Errorf("times: %+v, %q, %q", archive.Program, packages.Mtime, s.Builds[0].At)
	}
}

// A release is signed as goreleaser does it, and verified with the command of the page.
func TestASignedReleaseIsVerifiedAsThePageSays(t *testing.T) {
	s := goreleaser(t)
	page := string(read(t, "docs/deploying.md"))
	verify := regexp.MustCompile("(?m)^ssh-keygen -Y verify .*$").FindString(page)
	if verify == "" {
		t.Fatal("docs/deploying.md does not say how to verify a signature")
	}
	dir := t.TempDir()
	run := func(line string) (string, error) { return command(t, dir, "bash", "-ec", line) }
	must := func(line string) {
		t.Helper()
		if said, err := run(line); err != nil {
			t.Fatalf("%s: %v: %s", line, err, said)
		}
	}
	must(`ssh-keygen -q -t ed25519 -N "" -C "" -f key; ssh-keygen -q -t ed25519 -N "" -C "" -f other
		echo "gatehouse $(cat key.pub)" > gatehouse.signers
		echo program > gatehouse.tar.gz; sha256sum gatehouse.tar.gz > SHA256SUMS`)
	sign := func(key string) {
		t.Helper()
		must("rm -f SHA256SUMS.sig")
		with := strings.NewReplacer("{{ .Env.SIGNING_KEY }}", key, "${artifact}", "SHA256SUMS") //nolint:misspell // the word is theirs
		args := make([]string, len(s.Signs[0].Args))
		for i, arg := range s.Signs[0].Args {
			args[i] = with.Replace(arg)
		}
		if said, err := command(t, dir, s.Signs[0].Cmd, args...); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	refused := func(what string) {
		t.Helper()
		if said, err := run(verify); err == nil {
			t.Errorf("%s is taken: %s", what, said)
		}
	}
	sign("other")
	refused("the signature of another key")
	sign("key")
	must(verify)
	must("echo more >> gatehouse.tar.gz")
	refused("a file that has been changed")
	must("sha256sum gatehouse.tar.gz > SHA256SUMS")
	refused("a list that has been changed")
	must("rm SHA256SUMS.sig")
	refused("a release without a signature")
	if !slices.Equal(s.Checksum.IDs, []string{s.Archives[0].ID, s.Packages[0].ID, s.Parts[0].ID}) || slices.Contains(s.Checksum.IDs, s.Signs[0].ID) {
		t.Errorf("the list has the digests of %q", s.Checksum.IDs) // and not of its own signature
	}
	if s.Signs[0].Signature != "${artifact}.sig" || filepath.Ext(s.Checksum.Name) != "" { //nolint:misspell // the word is theirs
		t.Errorf("%+v of %s", s.Signs[0], s.Checksum.Name)
	}
}
