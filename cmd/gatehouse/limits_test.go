package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/internal/unit"
)

var update = flag.Bool("update", false, "write the tables of limits into docs/configuration.md")

const configurationPage = "../../docs/configuration.md"

// tables are the parts of the page that are made of the tags: those of all limits in
// the sections that the first line names.
var tables = regexp.MustCompile(`(?s)(<!-- limits: ([a-z_ ]+) -->\n).*?(<!-- end of limits -->\n)`)

func TestTheTablesOfLimitsAreWhatTheTagsSay(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	values := printed(t)
	shown := map[string]bool{}
	made := tables.ReplaceAllStringFunc(string(page), func(old string) string {
		parts := tables.FindStringSubmatch(old)
		table := "\n| key | default | may be | meaning |\n|---|---|---|---|\n"
		for _, section := range strings.Fields(parts[2]) {
			for _, f := range schema() {
				if f.tag.Get("doc") != "" && strings.HasPrefix(f.key, section+".") {
					table += row(f, values[f.key])
					shown[f.key] = true
				}
			}
		}
		return parts[1] + table + "\n" + parts[3]
	})
	for _, f := range schema() {
		if f.tag.Get("doc") != "" && !shown[f.key] {
			t.Errorf("%s is in no table", f.key)
		}
	}
	if *update {
		if err := os.WriteFile(configurationPage, []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if made != string(page) {
		t.Errorf("docs/configuration.md is older than the tags; run go test ./cmd/gatehouse -run TablesOfLimits -update")
	}
}

// backEnds is the table of a back end's limits on its page.
var backEnds = regexp.MustCompile(`(?s)(<!-- limits of a back end -->\n).*?(<!-- end of limits -->\n)`)

func TestTheTableOfABackEndIsWhatTheTagsSay(t *testing.T) {
	const path = "../../docs/any-language.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := "\n| key | default | may be | meaning |\n|---|---|---|---|\n"
	for _, f := range fields(reflect.TypeFor[backend.Config](), "", nil) {
		if f.tag.Get("doc") != "" {
			table += row(f, "")
		}
	}
	made := backEnds.ReplaceAllString(string(page), "${1}"+table+"\n${2}")
	if *update {
		err = os.WriteFile(path, []byte(made), 0o600)
	} else if made != string(page) || !strings.Contains(made, table) {
		t.Error("docs/any-language.md is older than the tags; run go test ./cmd/gatehouse -run TableOfABackEnd -update")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// row is the line of one limit.
func row(f field, value string) string {
	written := f.tag.Get("default")
	switch derived := f.tag.Get("derived"); {
	case derived != "" && value == "":
		written = "none; " + derived
	case derived != "":
		written = sized(f, value) + "; " + derived
	case written == "" && value == "":
		written = "none"
	case written == "":
		written = value
	case f.tag.Get("oneof") != "":
		written = "`" + written + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.key, written, bounds(f), quotingKeys(f.tag.Get("doc")))
}

// sized writes a default that no tag has, in the way of a person.
func sized(f field, value string) string {
	for _, name := range []string{"GiB", "MiB", "KiB"} {
		one, err := unit.Size("1" + name)
		n, nerr := unit.Size(value)
		if err == nil && nerr == nil && f.tag.Get("unit") != "" && n >= one && int(n)%int(one) == 0 {
			return fmt.Sprint(int(n)/int(one), name)
		}
	}
	return value
}

// bounds returns the bounds of a limit, unless they are the general ones of the
// page.
func bounds(f field) string {
	lowest, highest := f.tag.Get("min"), f.tag.Get("max")
	switch {
	case f.tag.Get("oneof") != "":
		return "`" + strings.ReplaceAll(f.tag.Get("oneof"), ",", "`, `") + "`"
	case highest == "none" || highest == "" && lowest != "":
		return cmp.Or(lowest, "1") + " or more"
	case highest != "" && f.typ == durationType:
		return cmp.Or(lowest, "1ms") + " to " + highest
	case highest != "":
		return cmp.Or(lowest, "1") + " to " + highest
	}
	return ""
}

// quotingKeys marks the keys in a sentence.
func quotingKeys(doc string) string {
	keys := []string{}
	for _, f := range schema() {
		keys = append(keys, regexp.QuoteMeta(f.key))
	}
	slices.SortFunc(keys, func(a, b string) int { return len(b) - len(a) })
	return regexp.MustCompile(`\b(`+strings.Join(keys, "|")+`)\b`).ReplaceAllStringFunc(doc, func(key string) string {
		if !strings.Contains(key, ".") {
			return key
		}
		return "`" + key + "`"
	})
}

func TestSizesAndRatesMayBeWrittenWithTheirUnits(t *testing.T) {
	file := configured(t, `
engine: {max_payload: 512KiB, outbox_bytes: "8 MiB"}
auth: {max_payload: 4KiB}
chat: {history_bytes: 128KiB}
door: {tickets_per_address: 50/s, tickets_per_subject: 100/m}
limits: {socket_events: 50/s, socket_bytes: 1.5MiB/s, user_events: 6000/m, user_bytes: 4MiB}
`)
	r := gatehouse(t, []string{"GATEHOUSE_SOCKETS_QUEUE_BYTES=2MiB"}, "config", "print", "--config", file)
	for _, line := range []string{
		"max_payload: 524288", "outbox_bytes: 8388608", "max_payload: 4096", "history_bytes: 131072",
		"tickets_per_address: 3000", "tickets_per_subject: 100",
		"socket_events: 50", "socket_bytes: 1572864", "user_events: 100", "user_bytes: 4194304", "queue_bytes: 2097152",
	} {
		if !strings.Contains(r.stdout, line+"\n") {
			t.Errorf("no %q in\n%s%s", line, r.stdout, r.stderr)
		}
	}
}

func TestUnitsThatDoNotFitAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"engine: {max_payload: 1KB}":         `engine.max_payload: "1KB" is not a number of bytes, or a size such as "256KiB"`,
		"engine: {max_payload: 1KiB/s}":      "engine.max_payload: ",
		"engine: {max_payload: 1.0001KiB}":   "engine.max_payload: ",
		"limits: {socket_events: 20/d}":      `limits.socket_events: "20/d" is not a number in a second, or a rate such as "20/s"`,
		"sockets: {max_rooms: 1KiB}":         "sockets.max_rooms: ",
		"door: {tickets_per_subject: 1/m/m}": `door.tickets_per_subject: "1/m/m" is not a number in a minute`,
	} {
		r := gatehouse(t, nil, "config", "check", "--dev", "--config", configured(t, text+"\n"))
		if r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %d, %s", text, r.code, r.stderr)
		}
	}
}

func TestEverySecretMayBeInAFile(t *testing.T) {
	secret := strings.Repeat("s3cret", 10)
	file := configured(t, secret+"\n")
	for _, f := range schema() {
		if f.typ != secretType || f.key == "redis.url" {
			continue
		}
		r := gatehouse(t, []string{envName(f.key) + "_FILE=" + file}, "config", "print")
		if r.code != 0 || strings.Contains(r.stdout, secret) {
			t.Errorf("%s: %d, %s", f.key, r.code, r.stderr)
		}
	}
	for text, want := range map[string]string{
		"admin: {key_file: /does/not/exist}":                                "admin.key_file: open /does/not/exist",
		"admin: {key_file: " + file + ", key: x}":                           "admin.key_file: admin.key is set beside it",
		"admin: {key_file: " + configured(t, "\n") + "}":                    "is empty",
		"admin: {key_file: [a]}":                                            "admin.key_file: is not the name of a file",
		"admin: {addr_file: x}":                                             "admin.addr_file",
		"admin: {key_file: " + configured(t, "short\n") + "}":               "admin.key: 5 bytes",
		"api: {keys: [{name: a, secret_file: " + configured(t, "x") + "}]}": "less than 32",
	} {
		r := gatehouse(t, nil, "config", "check", "--dev", "--config", configured(t, text+"\n"))
		if r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %d, %s", text, r.code, r.stderr)
		}
	}
	good := configured(t, "admin: {key_file: "+file+"}\napi: {keys: [{name: a, secret_file: "+file+", namespaces: [\"*\"], scopes: [read]}]}\n")
	if r := gatehouse(t, nil, "config", "check", "--dev", "--config", good); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestMistakesInTheFileHaveTheirLines(t *testing.T) {
	file := configured(t, `# a comment
addr: ":3000"

engine:
  ping_interval: soon
  max_payload: 1KB
  unheard_of: 1
issuers:
  - issuer: https://a.example
    leeway: much
sockets: {max_rooms: -1}
namespaces:
  /app:
    # another comment
    admitt: "true"
    rooms:
      - {nam: lobby}
log:
  level: loud
`)
	r := gatehouse(t, []string{"GATEHOUSE_SOCKETS_MAX_NAMESPACES=many"}, "config", "check", "--dev", "--config", file)
	for at, what := range map[string]string{
		"5": "engine.ping_interval", "6": "engine.max_payload", "7": "unknown key engine.unheard_of", "10": "issuers[0].leeway",
		"11": "sockets.max_rooms", "15": `there is no key "admitt" here`, "17": `there is no key "nam" here`, "19": "log.level",
	} {
		if want := file + ":" + at + ": " + what; !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in\n%s", want, r.stderr)
		}
	}
	if want := "environment: sockets.max_namespaces"; r.code == 0 || !strings.Contains(r.stderr, want) {
		t.Errorf("no %q in %+v", want, r)
	}
}

func TestAValueWithAFormOfItsOwnHasItsLine(t *testing.T) {
	file := configured(t, "addr: :3000\nnamespaces:\n  /app:\n    rooms:\n      - name: lobby\n        history: {bytes: much}\n")
	r := gatehouse(t, nil, "config", "check", "--dev", "--config", file)
	if want := file + `:6: "much" is no size`; !strings.Contains(r.stderr, want) {
		t.Errorf("no %q in %+v", want, r)
	}
}

func TestALineIsNamedOnlyWhereTheFileDecides(t *testing.T) {
	file := configured(t, "engine:\n  ping_interval: 10s\n")
	r := gatehouse(t, []string{"GATEHOUSE_ENGINE_PING_INTERVAL=-1s"}, "config", "check", "--dev", "--config", file)
	if r.code == 0 || strings.Contains(r.stderr, file) || !strings.Contains(r.stderr, "engine.ping_interval: -1s is too short") {
		t.Errorf("%+v", r)
	}
	broken := configured(t, "engine:\n  ping_interval: [\n")
	if r := gatehouse(t, nil, "config", "check", "--config", broken); r.code == 0 || !strings.Contains(r.stderr, broken+":2: this is no YAML: ") {
		t.Errorf("%+v", r)
	}
}

func TestTheOldNameOfAKeyIsStillRead(t *testing.T) {
	old := configured(t, "auth: {ways: [token], namespaces: [{name: /a, ways: [token, ticket]}]}\n")
	now := configured(t, "auth: {methods: [token], namespaces: [{name: /a, methods: [token, ticket]}]}\n")
	want := gatehouse(t, nil, "config", "print", "--config", now)
	if r := gatehouse(t, nil, "config", "print", "--config", old); r.code != 0 || r.stdout != want.stdout {
		t.Errorf("%+v, want %+v", r, want)
	}
	r := gatehouse(t, []string{"GATEHOUSE_AUTH_WAYS=bearer"}, "config", "print", "--config", now)
	if !regexp.MustCompile(`(?m)^    methods:\n +- bearer\n`).MatchString(r.stdout) {
		t.Errorf("%+v", r)
	}
	both := configured(t, "auth: {ways: [token], methods: [token]}\n")
	if r := gatehouse(t, nil, "config", "check", "--dev", "--config", both); r.code == 0 || !strings.Contains(r.stderr, "auth.ways: is the old name of auth.methods, which is set too") {
		t.Errorf("%+v", r)
	}
}
