package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "a-secret-of-the-tests-that-is-long-enough-for-every-HMAC-of-theirs"

// result is the result of one run of the program.
type result struct {
	code           int
	stdout, stderr string
}

// gatehouse runs the program to its end in an environment of its own.
func gatehouse(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	// If a server starts that should not have, it ends by itself.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code := run(ctx, args, environ, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// stateHome is an environment with a state directory that is the test's own.
func stateHome(t *testing.T) []string {
	t.Helper()
	return []string{"XDG_STATE_HOME=" + t.TempDir()}
}

// configured writes a configuration file and returns its path.
func configured(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused checks that the program ended with one line on stderr that has the
// words, nothing on stdout, and exit code 1.
func refused(t *testing.T, r result, words ...string) {
	t.Helper()
	if strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("stderr is not one line: %q", r.stderr)
	}
	mistaken(t, r, words...)
}

// mistaken is refused for config check, which has a line for each mistake.
func mistaken(t *testing.T, r result, words ...string) {
	t.Helper()
	if r.code != 1 || r.stdout != "" {
		t.Errorf("exit code %d and stdout %q, want 1 and nothing", r.code, r.stdout)
	}
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "gatehouse: ") {
			t.Errorf("stderr has a line that is not ours: %q", line)
		}
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("stderr %q does not say %q", r.stderr, w)
		}
	}
}

func TestHelpGoesToStandardOutputAndIsNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"token", "--help"}} {
		r := gatehouse(t, nil, args...)
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "Usage: gatehouse") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestWrongCommandLinesAreOneLine(t *testing.T) {
	for _, args := range [][]string{
		{}, {"sreve"}, {"serve", "--adr", "x"}, {"token"}, {"token", "--sub", "a", "--ttl", "soon"}, {"serve", "extra"},
	} {
		refused(t, gatehouse(t, nil, args...), "--help")
	}
	refused(t, gatehouse(t, nil, "token", "--sub"), "--sub: a value is missing; write --sub NAME")
	refused(t, gatehouse(t, nil, "serve", "--config"), "--config: a value is missing; write --config FILE")
}

func TestTheVersionIsPrinted(t *testing.T) {
	if r := gatehouse(t, nil, "--version"); r.code != 0 || r.stderr != "" || len(strings.Fields(r.stdout)) != 1 {
		t.Errorf("%+v", r)
	}
	commit := func(changed string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "0ddba11"}, {Key: "vcs.modified", Value: changed}}
	}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":        {Main: debug.Module{Version: "v1.2.3"}, Settings: commit("false")},
		"0ddba11":       {Main: debug.Module{Version: "(devel)"}, Settings: commit("false")},
		"0ddba11+dirty": {Settings: commit("true")},
		"devel":         {Main: debug.Module{Version: "(devel)"}},
	} {
		if got := version(&info, true); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := version(nil, false); got != "devel" {
		t.Errorf("%q without build information", got)
	}
}
