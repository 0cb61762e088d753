package gatehouse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted finds a code block that is named after the file that it quotes.
var quoted = regexp.MustCompile("(?s)<!-- ([a-z]+/[^ ]+) -->\n```[a-z]+\n(.*?)```\n")

// The files are compiled and run by other tests; here the pages must show what
// they are.
func TestPagesQuoteFilesAsTheyAre(t *testing.T) {
	count := 0
	for _, page := range pages(t) {
		for _, block := range quoted.FindAllStringSubmatch(contents(t, page), -1) {
			count++
			if file := block[1]; block[2] != contents(t, file) {
				t.Errorf("%s does not quote %s as it is", page, file)
			}
		}
	}
	if count < 6 {
		t.Fatalf("the pages quote %d files, want at least 6", count)
	}
}

// pages are what a user reads.
func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("docs/*.md: %d, %v", len(docs), err)
	}
	return append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")
}

// required finds a direct requirement of go.mod.
var required = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`)

func TestEveryDependencyIsNamedWithItsVersion(t *testing.T) {
	page := contents(t, "docs/dependencies.md")
	direct := required.FindAllStringSubmatch(contents(t, "go.mod"), -1)
	if len(direct) < 10 {
		t.Fatalf("go.mod has %d direct requirements, want at least 10", len(direct))
	}
	for _, m := range direct {
		path, version := m[1], m[2]
		_, row, named := strings.Cut(page, "`"+path+"`")
		row, _, _ = strings.Cut(row, "\n")
		if !named || !strings.Contains(row, version) {
			t.Errorf("docs/dependencies.md has no row of %s %s", path, version)
		}
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
