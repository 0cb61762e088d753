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
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := quoted.FindAllSubmatch(readme, -1)
	if len(blocks) < 3 {
		t.Fatalf("README.md quotes %d examples, want at least 3", len(blocks))
	}
	for _, block := range blocks {
		file := string(block[1])
		want, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("README.md quotes %s: %v", file, err)
			continue
		}
		if string(block[2]) != string(want) {
			t.Errorf("README.md does not quote %s as it is", file)
		}
	}
}

// required finds a direct requirement of go.mod.
var required = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`)

func TestEveryDependencyIsNamedWithItsVersion(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := required.FindAllSubmatch(mod, -1)
	if len(direct) < 10 {
		t.Fatalf("go.mod has %d direct requirements, want at least 10", len(direct))
	}
	for _, m := range direct {
		path, version := string(m[1]), string(m[2])
		_, row, named := strings.Cut(string(page), "`"+path+"`")
		row, _, _ = strings.Cut(row, "\n")
		if !named || !strings.Contains(row, version) {
			t.Errorf("docs/dependencies.md has no row of %s %s", path, version)
		}
	}
}
