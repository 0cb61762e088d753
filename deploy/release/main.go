// Command release makes those parts of a release that goreleaser cannot make (.goreleaser.yaml runs it first): the
// container image, without Docker, and the page of the manual and the completions, which the program prints. All of it
// is the same to the byte whoever makes it with the same Go and the same files. It is run from the root of the
// repository.
package main

import (
	"context"
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
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r release
	archs := flag.String("archs", "amd64,arm64", "machines, by Go's names")
	flag.StringVar(&r.version, "version", "", "version, such as 1.2.3")
	flag.StringVar(&r.out, "out", "bin/release", "directory to make anew")
	flag.StringVar(&r.roots, "roots", "/etc/ssl/certs/ca-certificates.crt", "certificate authorities of the image")
	flag.Parse()
	r.archs = strings.Split(*archs, ",")
	if err := r.make(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// make makes the directory anew, with everything in it.
func (r *release) make(ctx context.Context) error {
	if r.version == "" || strings.HasPrefix(r.version, "v") {
		return fmt.Errorf("-version %q: write one such as 1.2.3", r.version)
	}
	at, err := epoch(ctx)
	if err != nil {
		return err
	}
	r.at = at
	if err := os.RemoveAll(r.out); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	if err := r.describe(ctx); err != nil {
		return err
	}
	var images []image
	for _, arch := range r.archs {
		binary := filepath.Join(r.out, arch, "gatehouse")
		if err := r.compile(ctx, arch, binary); err != nil {
			return err
		}
		layer, err := r.layer(binary)
		if err != nil {
			return err
		}
		images = append(images, image{arch: arch, layer: layer})
	}
	return r.writeImage(images)
}

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

// describe writes the page of the manual and the completions, as the program prints them.
func (r *release) describe(ctx context.Context) error {
	here := filepath.Join(r.out, "here", "gatehouse") // runs on this machine
	if err := r.compile(ctx, runtime.GOARCH, here); err != nil {
		return err
	}
	for kind, args := range map[string][]string{
		"1": {"man"}, "bash": {"completion", "bash"}, "zsh": {"completion", "zsh"}, "fish": {"completion", "fish"},
	} {
		out, err := exec.CommandContext(ctx, here, args...).Output()
		if err != nil {
			return fmt.Errorf("gatehouse %s: %w", strings.Join(args, " "), err)
		}
		if err := os.WriteFile(filepath.Join(r.out, "gatehouse."+kind), out, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// flags are the flags of the compiler.
func (r *release) flags() []string {
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.release=v" + r.version}
}

// compile builds the program as .goreleaser.yaml does.
func (r *release) compile(ctx context.Context, arch, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, r.flags()...), "-o", binary, "./cmd/gatehouse")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build for %s: %w: %s", arch, err, out)
	}
	return nil
}
