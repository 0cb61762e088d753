package gatehouse_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a page. from is the origin that the comment above the block names: a file, or "part of"
// a file.
type block struct {
	page, from, language, text string
	lead                       string // the line of text before it
	line                       int
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var fenced = regexp.MustCompile("(?ms)^(?:<!-- ((?:part of )?[a-z]+/[^ ]+) -->\n)?```(\\w*)\n(.*?)^```\n")

// A block of a page quotes a file that tests run, or it is tried here, by its language. JavaScript that quotes no
// file is run by test/auth/pages.test.mjs.
func TestBlocksOfThePagesQuoteFilesOrAreTried(t *testing.T) {
	gatehouse := build(t)
	count := 0
	for _, b := range blocks(t) {
		count++
		switch {
		case b.from != "":
			quotes(t, b)
		case b.language == "yaml":
			configures(t, gatehouse, b)
		case b.language == "json":
			if !json.Valid([]byte(b.text)) {
				t.Errorf("%s is no JSON", b)
			}
		case b.language == "sh":
			commands(t, b)
		case b.language == "js", b.language == "text":
		default:
			t.Errorf("%s: nothing tests a block of %q; quote a file that a test runs", b, b.language)
		}
	}
	if count < 50 {
		t.Fatalf("the pages have %d blocks, want at least 50", count)
	}
}

// pages are what a user reads.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/adr/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %d, %v", pattern, len(some), err)
		}
		all = append(all, some...)
	}
	return all
}

func blocks(t *testing.T) []block {
	t.Helper()
	var all []block
	for _, page := range pages(t) {
		text := contents(t, page)
		for _, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
			part := func(i int) string {
				if at[2*i] < 0 {
					return ""
				}
				return text[at[2*i]:at[2*i+1]]
			}
			line := 1 + strings.Count(text[:at[0]], "\n")
			before := strings.TrimSpace(text[:at[0]])
			lead := before[strings.LastIndexByte(before, '\n')+1:]
			all = append(all, block{page: page, from: part(1), language: part(2), text: part(3), lead: lead, line: line})
		}
	}
	return all
}

// quotes compares a block with the file that it is from.
func quotes(t *testing.T, b block) {
	t.Helper()
	if file, part := strings.CutPrefix(b.from, "part of "); part {
		whole := contents(t, file)
		if !strings.Contains(whole, b.text) && !strings.Contains(whole, indented(b.text)) {
			t.Errorf("%s is no part of %s", b, file)
		}
	} else if b.text != contents(t, file) {
		t.Errorf("%s does not quote %s as it is", b, file)
	}
}

var lineStart = regexp.MustCompile(`(?m)^(.)`)

// indented returns the lines of a function's body, which a page shows without
// their first tab.
func indented(text string) string { return lineStart.ReplaceAllString(text, "\t$1") }

const (
	anySecret = "a secret for tests only, longer than thirty-two bytes"
	anyHash   = "$2a$10$/3GO6kUDzErBswC/Tf0SdeUAKEr5HsAzEOgacd652jJ2R4XAM06XS"
)

// dots stand for a secret that a page does not make up.
var dots = strings.NewReplacer(`"$2y$12$…"`, `"`+anyHash+`"`, ": …", ": "+anySecret)

// configures asks `gatehouse config check` of a configuration. The files that it names are made; a configuration
// without a verifier gets a secret.
func configures(t *testing.T, gatehouse string, b block) {
	t.Helper()
	dir := t.TempDir()
	certificates(t, dir)
	text := strings.ReplaceAll(dots.Replace(b.text), "/etc/gatehouse/", "")
	if err := os.WriteFile(filepath.Join(dir, "gatehouse.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), gatehouse, "config", "check", "--config", "gatehouse.yaml")
	check.Dir = dir
	check.Env = []string{"HOME=" + dir}
	if !strings.Contains("\n"+text, "\njwt:") {
		check.Env = append(check.Env, "GATEHOUSE_JWT_HMAC_SECRET="+anySecret)
	}
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%s: config check: %v\n%s", b, err, out)
	}
}

// certificates makes the files that the pages name, all from one self-signed certificate.
func certificates(t *testing.T, dir string) {
	t.Helper()
	openssl := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=IP:10.0.0.1", "-keyout", "server.key", "-out", "server.pem")
	openssl("pkey", "-in", "server.key", "-pubout", "-out", "issuer.pem")
	for name, of := range map[string]string{"ca.pem": "server.pem", "node.pem": "server.pem", "node.key": "server.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(contents(t, filepath.Join(dir, of))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// built is the folder of the one binary that the tests of this package share.
var built string

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// build returns the path of the binary. It builds the binary on the first call; none of these tests runs in parallel.
func build(t *testing.T) string {
	t.Helper()
	if built == "" {
		dir, err := os.MkdirTemp("", "gatehouse") //nolint:usetesting // it outlives the test that asks first
		if err != nil {
			t.Fatal(err)
		}
		built = dir
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(built, "gatehouse"), "./cmd/gatehouse")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return filepath.Join(built, "gatehouse")
}

var (
	target  = regexp.MustCompile(`\bmake (?:-C (\S+) )?([a-z-]+)`)
	folder  = regexp.MustCompile(`\bgo (?:run|test)[^#\n]* \./([a-z0-9/]*[a-z0-9])(?:\s|$)`)
	script  = regexp.MustCompile(`\bnode (?:--test )?([a-z/]+\.mjs)`)
	command = regexp.MustCompile(`\bgatehouse (\w+)`)
)

// commands checks that everything that a block of shell names exists: make's targets, packages, scripts, and the
// binary's commands. Commands that can be run are run, see snippets_test.go; many of the others run for minutes.
func commands(t *testing.T, b block) {
	t.Helper()
	for _, m := range target.FindAllStringSubmatch(b.text, -1) {
		makefile := contents(t, filepath.Join(m[1], "Makefile"))
		if !regexp.MustCompile(`(?m)^` + m[2] + `:`).MatchString(makefile) {
			t.Errorf("%s: %s has no target %s", b, filepath.Join(m[1], "Makefile"), m[2])
		}
	}
	for _, finder := range []*regexp.Regexp{folder, script} {
		for _, m := range finder.FindAllStringSubmatch(b.text, -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
	}
	for _, m := range command.FindAllStringSubmatch(b.text, -1) {
		if !strings.Contains(contents(t, "README.md"), "`gatehouse "+m[1]) {
			t.Errorf("%s: README.md has no command %s", b, m[1])
		}
	}
}
