package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/server"
)

// lasting is the part of the page that lists the settings for which a restart
// is needed.
var lasting = regexp.MustCompile(`(?s)(<!-- needs a restart -->\n).*?(<!-- end of needs a restart -->\n)`)

func TestThePageListsWhatNeedsARestart(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	all := append(server.NeedRestart(), server.Lasting{Keys: ownSections(), Why: "what is mounted beside the server, and where traces go"})
	table := "\n| needs a restart | what it is about |\n|---|---|\n"
	for _, l := range all {
		table += "| `" + strings.Join(l.Keys, "`, `") + "` | " + l.Why + " |\n"
	}
	made := lasting.ReplaceAllString(string(page), "${1}"+table+"\n${2}")
	if *update {
		if err := os.WriteFile(configurationPage, []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if made != string(page) || !lasting.Match(page) {
		t.Error("docs/configuration.md is older than server.NeedRestart; run go test ./cmd/gatehouse -run NeedsARestart -update")
	}
}

// ownSections are the sections of ownSettings. None of them is reloaded.
func ownSections() []string {
	var sections []string
	for _, f := range fields(reflect.TypeFor[ownSettings](), "", nil) {
		section, _, _ := strings.Cut(f.key, ".")
		sections = append(sections, section)
	}
	return slices.Compact(sections)
}
