// Command release builds what users install: archives, packages, a container
// image and their list of parts, each the same to the byte whoever builds it
// with the same Go and the same files. It is run from the root of the repository.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// release is one version of the program for several machines.
type release struct {
	version string    // without v, such as 1.2.3
	at      time.Time // of every file in it
	out     string    // the directory that gets it
	archs   []string  // of Go, such as amd64
	roots   string    // file of certificate authorities for the image
	nfpm    string    // program that makes packages; empty makes none
	sbom    string    // program cyclonedx-gomod; empty makes no list of parts
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r release
	archs := flag.String("archs", "amd64,arm64", "machines, by Go's names")
	flag.StringVar(&r.version, "version", "", "version, such as 1.2.3")
	flag.StringVar(&r.out, "out", "dist", "directory to make")
	flag.StringVar(&r.roots, "roots", "/etc/ssl/certs/ca-certificates.crt", "certificate authorities of the image")
	flag.StringVar(&r.nfpm, "nfpm", "", "program nfpm")
	flag.StringVar(&r.sbom, "cyclonedx-gomod", "", "program cyclonedx-gomod")
	flag.Parse()
	r.archs = strings.Split(*archs, ",")
	if err := r.make(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// make builds everything into a directory that is not there yet.
func (r *release) make(ctx context.Context) error {
	if r.version == "" || strings.HasPrefix(r.version, "v") {
		return fmt.Errorf("-version %q: write one such as 1.2.3", r.version)
	}
	at, err := epoch(ctx)
	if err != nil {
		return err
	}
	r.at = at
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	here := filepath.Join(r.out, work, "here") // runs on this machine, for what is made of its command line
	if err := r.compile(ctx, runtime.GOARCH, here); err != nil {
		return err
	}
	var images []image
	for _, arch := range r.archs {
		binary, err := r.build(ctx, arch, here)
		if err != nil {
			return err
		}
		if err := r.archive(binary, arch); err != nil {
			return err
		}
		if err := r.packages(ctx, binary, arch); err != nil {
			return err
		}
		if err := r.parts(ctx, binary, arch); err != nil {
			return err
		}
		layer, err := r.layer(binary)
		if err != nil {
			return err
		}
		images = append(images, image{arch: arch, layer: layer})
	}
	if err := r.writeImage(images); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(r.out, work)); err != nil {
		return err
	}
	return r.sums()
}

// work is the directory below out for what is not part of the release.
const work = "work"

// epoch is the time of every file: SOURCE_DATE_EPOCH, else the last commit's.
func epoch(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("ask git for the time of the last commit, or set SOURCE_DATE_EPOCH: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: write seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build compiles the program for a machine, beside its page of the manual and its
// completions, which the program here prints.
func (r *release) build(ctx context.Context, arch, here string) (binary string, err error) {
	dir := filepath.Join(r.out, work, arch)
	binary = filepath.Join(dir, "gatehouse")
	if err := r.compile(ctx, arch, binary); err != nil {
		return "", err
	}
	for file, args := range map[string][]string{
		"gatehouse.1": {"man"}, "gatehouse.bash": {"completion", "bash"}, "gatehouse.zsh": {"completion", "zsh"}, "gatehouse.fish": {"completion", "fish"},
	} {
		out, err := exec.CommandContext(ctx, here, args...).Output()
		if err != nil {
			return "", fmt.Errorf("gatehouse %s: %w", strings.Join(args, " "), err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), out, 0o644); err != nil {
			return "", err
		}
	}
	return binary, nil
}

func (r *release) compile(ctx context.Context, arch, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.release=v"+r.version, "-o", binary, "./cmd/gatehouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build for %s: %w: %s", arch, err, out)
	}
	return nil
}

// packages makes the deb and the rpm, of what nfpm.yaml says.
func (r *release) packages(ctx context.Context, binary, arch string) error {
	for _, kind := range []string{"deb", "rpm"} {
		if r.nfpm == "" {
			return nil
		}
		cmd := exec.CommandContext(ctx, r.nfpm, "package", "--config", "deploy/nfpm.yaml", "--packager", kind, "--target", r.out)
		cmd.Env = append(os.Environ(), "VERSION="+r.version, "ARCH="+arch, "BUILT="+filepath.Dir(binary),
			"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.at.Unix(), 10))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm, %s for %s: %w: %s", kind, arch, err, out)
		}
	}
	return nil
}

// parts lists the modules that are in a program, as CycloneDX has it.
func (r *release) parts(ctx context.Context, binary, arch string) error {
	if r.sbom == "" {
		return nil
	}
	file := filepath.Join(r.out, r.name(arch)+".cdx.json")
	out, err := exec.CommandContext(ctx, r.sbom, "bin", "-json", "-noserial", "-notimestamp", "-version", "v"+r.version, "-output", file, binary).CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("cyclonedx-gomod for %s: %w", arch, err), errors.New(string(out)))
	}
	return nil
}

// name begins the names of what is for one machine.
func (r *release) name(arch string) string {
	return fmt.Sprintf("gatehouse_%s_linux_%s", cmp.Or(r.version, "0"), arch)
}
