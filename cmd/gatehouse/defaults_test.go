package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/parsers/yaml"

	"gatehouse/internal/unit"
)

// printed returns the value of each key by config print, in the form of the
// documentation.
func printed(t *testing.T, args ...string) map[string]string {
	t.Helper()
	r := gatehouse(t, nil, append([]string{"config", "print"}, args...)...)
	sections, err := yaml.Parser().Unmarshal([]byte(r.stdout))
	if err != nil {
		t.Fatalf("%v in %+v", err, r)
	}
	flat, _ := maps.Flatten(sections, nil, ".")
	values := map[string]string{}
	for key, value := range flat {
		values[key] = strings.Join(strings.Fields(strings.Trim(fmt.Sprint(value), "[]")), ", ")
	}
	return values
}

var quoted = regexp.MustCompile("`([^`]+)`")

// documentedDefault is one row of a table in docs/configuration.md.
type documentedDefault struct {
	keys     []string
	defaults string // the text before a semicolon
}

// documented reads the tables. A key that begins with a dot is in the section
// of the key before it.
func documented(t *testing.T) []documentedDefault {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []documentedDefault
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 && len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		var row documentedDefault
		section := ""
		for _, match := range quoted.FindAllStringSubmatch(cells[1], -1) {
			key := match[1]
			if strings.HasPrefix(key, ".") {
				key = section + key
			}
			section = key[:max(strings.LastIndex(key, "."), 0)]
			row.keys = append(row.keys, key)
		}
		row.defaults, _, _ = strings.Cut(strings.TrimSpace(cells[2]), ";")
		rows = append(rows, row)
	}
	return rows
}

// of returns the default of each key: a single default is that of all keys, and
// several defaults are the list of a single key.
func (d documentedDefault) of(t *testing.T, key string) string {
	t.Helper()
	each := strings.Split(d.defaults, ", ")
	switch len(each) {
	case 1:
		return plain(each[0])
	case len(d.keys):
		return plain(each[slices.Index(d.keys, key)])
	}
	if len(d.keys) > 1 {
		t.Errorf("%v: %d keys with the defaults %q", d.keys, len(d.keys), d.defaults)
	}
	return d.defaults
}

// plain takes the words for "nothing" and the quotes away, and writes durations
// in one way.
func plain(value string) string {
	switch value {
	case "none", "not checked", "by the key":
		return ""
	}
	value = strings.Trim(value, "`")
	if d, err := time.ParseDuration(value); err == nil && value != "0" {
		return d.String()
	}
	if n, err := unit.Size(value); err == nil {
		return strconv.Itoa(int(n))
	}
	return value
}

func TestTheDefaultsInTheDocumentationArePrinted(t *testing.T) {
	values, rows := printed(t), documented(t)
	if len(rows) < 50 {
		t.Fatalf("only %d rows in the documentation", len(rows))
	}
	explained := map[string]bool{}
	for _, row := range rows {
		for _, key := range row.keys {
			explained[key] = true
			if value, want := values[key], row.of(t, key); value != want {
				t.Errorf("%s: %q is printed, %q is documented", key, value, want)
			}
			if _, known := values[key]; !known {
				t.Errorf("%s: is documented, but not printed", key)
			}
		}
	}
	for key := range values {
		if !explained[key] {
			t.Errorf("%s: is printed, but not documented", key)
		}
	}
}

func TestConfigPrintShowsWhatDevModeOpens(t *testing.T) {
	values := printed(t, "--dev")
	for _, key := range []string{"origins.allow_localhost", "echo.enabled"} {
		if values[key] != "true" {
			t.Errorf("%s: %q with --dev", key, values[key])
		}
	}
}

func TestIssuersOfAListArePrintedWithTheirDefaults(t *testing.T) {
	r := gatehouse(t, nil, "config", "print", "--config", configured(t, "issuers: [{issuer: https://a.example, jwks_refresh: 2h}]\n"))
	list := r.stdout[strings.Index(r.stdout, "issuers:"):strings.Index(r.stdout, "\njwt:")]
	for _, line := range []string{"jwks_refresh: 2h0m0s", "jwks_cooldown: 30s", "max_bytes: 8192", "subject: sub"} {
		if !strings.Contains(list, line) {
			t.Errorf("no %q in\n%s", line, list)
		}
	}
}

func TestEveryPrintedConfigurationReadsBack(t *testing.T) {
	for name, text := range map[string]string{
		"defaults":        "",
		"dev":             "dev: true\n",
		"negative limits": "basic: {throttle: {free: -1}}\ncallback: {cache_ttl: -1s}\ntickets: {max_open: -1}\n",
		"lists":           "issuers: [{issuer: a}, {issuer: b, leeway: 1s}]\nauth: {ways: [ticket], namespaces: [{name: /a, ways: [token]}]}\n",
	} {
		r := gatehouse(t, nil, "config", "print", "--config", configured(t, text))
		again := gatehouse(t, nil, "config", "print", "--config", configured(t, r.stdout))
		if r.code != 0 || again.stdout != r.stdout {
			t.Errorf("%s: printed:\n%s%s\nread back:\n%s%s", name, r.stdout, r.stderr, again.stdout, again.stderr)
		}
	}
}
