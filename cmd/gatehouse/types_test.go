package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page of the chat is compiled with the types of its events, and the docs have the AsyncAPI document of the chat and of
// the first configuration in routing.md: both are what the command prints.
func TestTheFilesOfTypesAreWhatTheCommandPrints(t *testing.T) {
	page, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	config, _, _ := strings.Cut(rest, "```\n")
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for made, args := range map[string][]string{
		"../../web/src/events.ts":  {"types", "--namespace", "/chat"},
		"../../docs/asyncapi.yaml": {"types", "--format", "asyncapi", "--namespace", "/chat", "--namespace", "/app", "--config", file},
	} {
		r := gatehouse(t, nil, args...)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("%v: %+v", args, r)
		}
		if *update {
			if err := os.WriteFile(made, []byte(r.stdout), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(made); err != nil || string(text) != r.stdout {
			t.Errorf("%s is not what %v prints (%v); go test ./cmd/gatehouse -run Types -update writes it", made, args, err)
		}
	}
}

func TestTypesNamesWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(file, []byte("namespaces: {/app: {admit: '1 +'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no /nowhere":     {"types", "--namespace", "/nowhere"},
		"namespaces./app": {"types", "--config", file},
	} {
		if r := gatehouse(t, nil, args...); r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, want) {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
