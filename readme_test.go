package gatehouse_test

import (
	"os"
	"regexp"
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
