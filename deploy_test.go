package gatehouse_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page says what systemd thinks of the unit: less exposed is a lower number.
func TestTheUnitIsAsHardAsThePageSays(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the score is not compared")
		return
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=true", "deploy/systemd/gatehouse.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	score := regexp.MustCompile(`exposure level for gatehouse.service: (\S+ \S+)`).FindSubmatch(out)
	if score == nil || !strings.Contains(contents(t, "docs/deploying.md"), "`"+string(score[1])+"`") {
		t.Errorf("docs/deploying.md does not say %q", score)
	}
}

// What the packages install as the configuration is taken, once there is a verifier.
func TestTheConfigurationOfThePackagesIsTaken(t *testing.T) {
	configures(t, build(t), block{page: "deploy/systemd/gatehouse.yaml", text: contents(t, "deploy/systemd/gatehouse.yaml")})
	unit := contents(t, "deploy/systemd/gatehouse.service")
	for _, installed := range []string{"/usr/bin/gatehouse", "/etc/gatehouse/gatehouse.yaml"} {
		if !strings.Contains(unit, installed) || !strings.Contains(contents(t, "deploy/nfpm.yaml"), "dst: "+installed) {
			t.Errorf("%s is not both in the unit and in the packages", installed)
		}
	}
	for _, script := range []string{"postinstall", "preremove"} {
		file := filepath.Join("deploy/systemd", script)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o100 == 0 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", file, out)
		}
	}
}
