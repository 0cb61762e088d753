package gatehouse_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"gatehouse/internal/wiretest"
)

// The page quotes systemd's rating of the unit: a lower number is less exposed.
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

// The program accepts the configuration that the packages install, once there is a verifier.
func TestTheConfigurationOfThePackagesIsTaken(t *testing.T) {
	configures(t, build(t), block{page: "deploy/systemd/gatehouse.yaml", text: contents(t, "deploy/systemd/gatehouse.yaml")})
	unit := contents(t, "deploy/systemd/gatehouse.service")
	packages := contents(t, ".goreleaser.yaml")
	for installed, by := range map[string]string{
		"/usr/bin/gatehouse":            "bindir: /usr/bin\n",
		"/etc/gatehouse/gatehouse.yaml": "dst: /etc/gatehouse/gatehouse.yaml,",
	} {
		if !strings.Contains(unit, installed) || !strings.Contains(packages, by) {
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

// The program accepts the configuration of the chart's pods.
func TestTheConfigurationOfTheChartIsTaken(t *testing.T) {
	gatehouse := build(t)
	for _, name := range []string{"least", "full"} {
		t.Run(name, func(t *testing.T) {
			file, env := pod(t, "deploy/helm/testdata/"+name+".golden.yaml")
			nodes := wiretest.NewAuthority(t, "nodes")
			mounted(nodes, env)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "gatehouse.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			check := exec.CommandContext(t.Context(), gatehouse, "config", "check", "--config", "gatehouse.yaml")
			check.Dir = dir
			check.Env = append(env, "HOME="+dir)
			if name == "full" { // its Secret has these
				check.Env = append(check.Env, "GATEHOUSE_JWT_HMAC_SECRET="+anySecret, "GATEHOUSE_CLUSTER_SECRET="+anySecret,
					"GATEHOUSE_ADMIN_KEY="+anySecret, "GATEHOUSE_REDIS_URL=redis://redis:6379")
			}
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// mounted makes the Secret of the nodes' certificates, and lets the environment name its
// files.
func mounted(nodes *wiretest.Authority, env []string) {
	template := wiretest.Node()
	template.DNSNames = []string{"gatehouse-nodes"}
	nodes.Issue("tls", template)
	files := strings.NewReplacer("/etc/gatehouse-nodes/ca.crt", nodes.Path("ca.pem"),
		"/etc/gatehouse-nodes/tls.crt", nodes.Path("tls.pem"), "/etc/gatehouse-nodes/tls.key", nodes.Path("tls.key"))
	for i := range env {
		env[i] = files.Replace(env[i])
	}
}

// pod returns the configuration file and the environment of a pod that a chart has made.
func pod(t *testing.T, file string) (configuration string, env []string) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader([]byte(contents(t, file)))); ; {
		var doc struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Env []struct{ Name, Value string }
						}
					}
				}
			}
		}
		var node yaml.Node
		if err := d.Decode(&node); errors.Is(err, io.EOF) {
			return configuration, env
		} else if err != nil {
			t.Fatal(err)
		}
		if node.Decode(&doc) != nil {
			continue // another kind has another form
		}
		switch doc.Kind {
		case "ConfigMap":
			configuration = doc.Data["gatehouse.yaml"]
		case "Deployment":
			for _, v := range doc.Spec.Template.Spec.Containers[0].Env {
				if v.Value != "" {
					env = append(env, v.Name+"="+strings.ReplaceAll(v.Value, "$(POD_IP)", "10.0.0.7"))
				}
			}
		}
	}
}
