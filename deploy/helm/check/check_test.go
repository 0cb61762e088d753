// Package check checks the chart: its output is as reviewed, helm finds no fault, and Kubernetes
// knows every field. It is a module of its own, because Kubernetes' types are heavy. `make
// test-chart` runs it.
package check

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

const chart = "../gatehouse"

// helm runs the program that HELM names, for one version of Kubernetes.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		t.Skip("HELM names no program; make test-chart does")
	}
	out, err := exec.CommandContext(t.Context(), program, append(args, "--kube-version", "1.31.0")...).CombinedOutput()
	return string(out), err
}

// values are the samples in testdata, by name.
func values(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.values.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	all := make(map[string]string)
	for _, f := range files {
		all[strings.TrimSuffix(filepath.Base(f), ".values.yaml")] = f
	}
	return all
}

// With UPDATE set, the files are written anew, for review.
func TestTheChartMakesWhatWasLookedAt(t *testing.T) {
	for name, file := range values(t) {
		t.Run(name, func(t *testing.T) {
			if out, err := helm(t, "lint", "--strict", chart, "-f", file); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			out, err := helm(t, "template", "rt", chart, "--namespace", "realtime", "-f", file)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			golden := filepath.Join("../testdata", name+".golden.yaml")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || out != string(want) {
				t.Errorf("%s differs (%v); run with UPDATE=1 and look at the difference", golden, err)
			}
		})
	}
}

func TestWrongValuesAreRefusedWithTheirName(t *testing.T) {
	for set, want := range map[string]string{
		"replicas=two":                        "replicas",
		"nonsense=1":                          "nonsense",
		"drain.delay=10":                      "delay",
		"service.port=70000":                  "port",
		"route.enabled=true":                  "parentRefs",
		"replicas=2":                          "cluster.enabled",
		"autoscaling.enabled=true":            "cluster.enabled",
		"metrics.enabled=true":                "secretName",
		"metrics.serviceMonitor.enabled=true": "metrics.enabled",
		"cluster.tls.secretName=nodes":        "cluster.enabled",
	} {
		if out, err := helm(t, "template", "rt", chart, "--set", set); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v: %s", set, err, out)
		}
	}
}

// kinds are the types of Kubernetes, and of the two add-ons that the chart makes
// objects for.
var kinds = map[string]func() any{
	"Deployment":              func() any { return new(apps.Deployment) },
	"Service":                 func() any { return new(core.Service) },
	"ConfigMap":               func() any { return new(core.ConfigMap) },
	"ServiceAccount":          func() any { return new(core.ServiceAccount) },
	"HorizontalPodAutoscaler": func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"PodDisruptionBudget":     func() any { return new(policy.PodDisruptionBudget) },
	"NetworkPolicy":           func() any { return new(networking.NetworkPolicy) },
	"HTTPRoute":               func() any { return new(gateway.HTTPRoute) },
	"ServiceMonitor":          func() any { return new(monitoring.ServiceMonitor) },
}

// made calls each with all objects of the samples.
func made(t *testing.T, each func(kind string, doc []byte)) {
	t.Helper()
	for name := range values(t) {
		text, err := os.ReadFile(filepath.Join("../testdata", name+".golden.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			var head struct{ Kind string }
			if err := yaml.Unmarshal(doc, &head); err != nil {
				t.Fatal(err)
			}
			each(head.Kind, doc)
		}
	}
}

func TestEveryFieldIsKnown(t *testing.T) {
	seen := make(map[string]bool)
	made(t, func(kind string, doc []byte) {
		object, known := kinds[kind]
		if !known {
			t.Errorf("a %q is nothing that the chart makes", kind)
			return
		}
		seen[kind] = true
		if err := yaml.UnmarshalStrict(doc, object()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	})
	if len(seen) != len(kinds) {
		t.Errorf("the samples make %v only", seen)
	}
}

// Each field of the samples is misspelt in turn.
func TestAMisspeltFieldIsFound(t *testing.T) {
	made(t, func(kind string, doc []byte) {
		var whole any
		if err := yaml.Unmarshal(doc, &whole); err != nil {
			t.Fatal(err)
		}
		misspell(whole, nil, func(path []string) {
			text, err := yaml.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			if yaml.UnmarshalStrict(text, kinds[kind]()) == nil {
				t.Errorf("%s: %q may be misspelt", kind, path)
			}
		})
	})
}

// misspell gives each field below v another name while it calls found.
func misspell(v any, at []string, found func(path []string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			below, value := append(slices.Clone(at), key), v[key]
			if isName(below) {
				continue
			}
			misspell(value, below, found)
			delete(v, key)
			v[key+"Misspelt"] = value
			found(below)
			delete(v, key+"Misspelt")
			v[key] = value
		}
	case []any:
		for _, one := range v {
			misspell(one, at, found)
		}
	}
}

// isName reports whether a key is not a field but a name in a map: of a label, a file or a
// resource.
func isName(path []string) bool {
	key := path[len(path)-1]
	return strings.Contains(key, "/") || slices.ContainsFunc(path[:len(path)-1], func(above string) bool {
		return slices.Contains([]string{"labels", "data", "requests", "limits"}, above)
	})
}
