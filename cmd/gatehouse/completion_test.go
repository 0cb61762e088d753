package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script prints the completion of a shell and returns its words.
func script(t *testing.T, shell string) string {
	t.Helper()
	r := gatehouse(t, nil, "completion", shell)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	return r.stdout
}

func TestBashCompletesCommandsAndFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.bash")
	if err := os.WriteFile(file, []byte(script(t, "bash")), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"gatehouse ser":              "serve",
		"gatehouse config ":          "check print",
		"gatehouse serve --d":        "--dev",
		"gatehouse --config x serve": "serve",
		"gatehouse completion f":     "fish",
		"gatehouse token --su":       "--sub",
		"gatehouse nothing --su":     "",
	} {
		words := strings.Split(line, " ")
		command := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _gatehouse; echo "${COMPREPLY[@]}"`
		out, err := exec.CommandContext(t.Context(), "bash", append([]string{"-c", command, "bash", file}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		got := strings.TrimSpace(string(out))
		if want == "check print" {
			if !strings.Contains(got, "check") || !strings.Contains(got, "print") || strings.Contains(got, "serve") {
				t.Errorf("%q: %q", line, got)
			}
		} else if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestEveryShellHasEveryCommandAndFlag(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text := script(t, shell)
		for _, word := range []string{"serve", "check", "disconnect", "completion", "namespace", "ttl"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not know %s", shell, word)
			}
		}
		if program, err := exec.LookPath(shell); err == nil {
			check := exec.CommandContext(t.Context(), program, "-n")
			check.Stdin = strings.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, out)
			}
		}
	}
	refused(t, gatehouse(t, nil, "completion", "tcsh"), "bash", "fish")
}

func TestThePageOfTheManualIsInOrder(t *testing.T) {
	r := gatehouse(t, nil, "man")
	for _, want := range []string{".TH GATEHOUSE 1", ".SS gatehouse config check", `.B \-\-sub \fINAME\fR`, ".SH EXIT STATUS"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not installed: the form is not checked")
		return
	}
	check := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-z", "-Tutf8")
	check.Stdin = strings.NewReader(r.stdout)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
