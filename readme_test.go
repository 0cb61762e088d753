package gatehouse_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// quoted finds a code block of the README that is named after the file that it
// quotes.
var quoted = regexp.MustCompile("(?s)<!-- (examples/[^ ]+) -->\n```[a-z]+\n(.*?)```\n")

// The examples are compiled and run by other tests; here the README must show
// what they are.
func TestREADMEQuotesTheExamples(t *testing.T) {
	blocks := quoted.FindAllStringSubmatch(contents(t, "README.md"), -1)
	if len(blocks) < 3 {
		t.Fatalf("README.md quotes %d examples, want at least 3", len(blocks))
	}
	for _, block := range blocks {
		if file := block[1]; block[2] != contents(t, file) {
			t.Errorf("README.md does not quote %s as it is", file)
		}
	}
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
