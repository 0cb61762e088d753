package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/internal/wiretest"
)

const (
	apiSecret = "a-key-of-a-back-end-of-these-tests-00"
	ruledApp  = `
jwt: {hmac_secret: ` + testSecret + `}
api: {keys: [{name: desk, secret: ` + apiSecret + `, namespaces: [/app], scopes: [publish, read, disconnect]}]}
namespaces:
  /app:
    admit: '"staff" in scopes'
    join: ["user:{sub}"]
    rooms:
      - {match: "doc:{org}:{id}", join: "org == claims.org", send: 'claims.role == "editor"', events: ["edit:*"]}
`
)

func TestCommandsActOnARunningServer(t *testing.T) {
	file := configured(t, ruledApp)
	s := serve(t, nil, "--config", file)
	environ := []string{"GATEHOUSE_API_URL=http://" + s.addr, "GATEHOUSE_API_KEY=" + apiSecret}
	token := strings.TrimSpace(gatehouse(t, nil, "token", "--config", file, "--sub", "ada", "--claim", "scope=staff").stdout)
	c, err := wiretest.Dial(t.Context(), s.addr, "websocket", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	reply, err := wiretest.Enter(c, "/app", `{"token":"`+token+`"}`)
	var in struct{ SID string }
	if err != nil || json.Unmarshal([]byte(strings.TrimPrefix(reply, "40/app,")), &in) != nil {
		t.Fatalf("%s, %v", reply, err)
	}
	id := in.SID
	prints := func(want string, args ...string) {
		t.Helper()
		r := gatehouse(t, environ, args...)
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("%v: %+v, want %s", args, r, want)
		}
	}
	prints(`{"queued":1}`, "emit", "--namespace", "/app", "--room", "user:ada", "updated", `{"v":2}`)
	next, err := c.Next()
	if err != nil || !strings.HasPrefix(next.Text, `42/app,["updated",{"v":2}`) {
		t.Errorf("the client got %+v, %v", next, err)
	}
	prints(`{"queued":0}`, "emit", "--namespace", "/app", "--room", "user:bob", "updated", "no JSON")
	prints(`"id":"`+id+`"`, "sockets", "--namespace", "/app", "--user", "ada")
	prints(`{"selected":1}`, "disconnect", "--namespace", "/app", "--socket", id)
	if r := gatehouse(t, environ, "sockets", "--namespace", "/app"); r.code != 0 || r.stdout != "" {
		t.Errorf("after the end: %+v", r)
	}
	refused(t, gatehouse(t, environ[:1], "sockets", "--namespace", "/app"), "GATEHOUSE_API_KEY")
	refused(t, gatehouse(t, environ, "sockets", "--namespace", "/other"), "forbidden", "/other")
	refused(t, gatehouse(t, environ, "disconnect", "--namespace", "/app"), "bad_request", "all")
	refused(t, gatehouse(t, environ, "emit", "--namespace", "/app", "connect"), "bad_request")
	refused(t, gatehouse(t, []string{"GATEHOUSE_API_URL=http://127.0.0.1:1"}, "sockets", "--namespace", "/app"), "ask the server")
}

func TestExplainSaysWhichRuleDecides(t *testing.T) {
	file := configured(t, ruledApp)
	token := func(args ...string) string {
		return strings.TrimSpace(gatehouse(t, nil, append([]string{"token", "--config", file, "--sub", "ada"}, args...)...).stdout)
	}
	staff := token("--claim", "scope=staff", "--claim", "org=acme")
	for _, c := range []struct {
		token string
		args  []string
		code  int
		words []string
	}{
		{staff, nil, 0, []string{"speaks for ada", "allowed by admit", `"staff" in scopes`}},
		{token(), nil, 1, []string{"refused by admit"}},
		{staff, []string{"--room", "doc:acme:7"}, 0, []string{"allowed by rooms[0].join", `claims.org = "acme"`}},
		{staff, []string{"--room", "doc:other:7"}, 1, []string{"refused by rooms[0].join", `org = "other"`}},
		{staff, []string{"--room", "doc:acme:7", "--event", "edit:title"}, 1, []string{"refused by rooms[0].send"}},
		{staff, []string{"--room", "doc:acme:7", "--event", "cursor"}, 1, []string{"not in the list"}},
		{staff, []string{"--room", "secret"}, 1, []string{"refused by rooms"}},
		{staff, []string{"--event", "order:create"}, 1, []string{"no back end"}},
	} {
		r := gatehouse(t, nil, append([]string{"explain", "--config", file, "--token", c.token, "--namespace", "/app"}, c.args...)...)
		if r.code != c.code {
			t.Errorf("%v: %+v", c.args, r)
		}
		for _, w := range c.words {
			if !strings.Contains(r.stdout, w) {
				t.Errorf("%v: no %q in %s", c.args, w, r.stdout)
			}
		}
	}
	r := gatehouse(t, nil, "explain", "--json", "--config", file, "--token", staff, "--namespace", "/app")
	var answer struct {
		Subject string
		Allowed bool
	}
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || !answer.Allowed || answer.Subject != "ada" {
		t.Errorf("as JSON: %+v", r)
	}
	refused(t, gatehouse(t, nil, "explain", "--config", file, "--token", "x", "--namespace", "/app"), "lets nobody in")
	refused(t, gatehouse(t, nil, "explain", "--config", file, "--token", staff, "--namespace", "/other"), "no namespace /other")
	refused(t, gatehouse(t, nil, "explain", "--config", file, "--token", staff, "--namespace", "/app", "--address", "here"), "--address")
}

var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

func TestTheSamplesOfTheInterfaceAreTrue(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	file := configured(t, strings.NewReplacer("scopes: [publish, read, disconnect]", "scopes: [publish, rooms, read, disconnect]",
		"    rooms:\n", "    rooms:\n      - {match: \"doc:{n}\", join: \"true\", presence: true, history: {messages: 9}}\n",
		"doc:{org}:{id}", "file:{org}:{id}").Replace(ruledApp))
	s := serve(t, nil, "--config", file)
	tried := 0
	for _, m := range shell.FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(m[1], "curl") {
			continue
		}
		for sample := range strings.SplitSeq(strings.TrimSpace(m[1]), "\ncurl ") {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "curl "+strings.TrimPrefix(sample, "curl "))
			cmd.Env = []string{"PATH=" + filepath.Dir(curl), "GATEHOUSE_API_URL=http://" + s.addr, "GATEHOUSE_API_KEY=" + apiSecret}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), `{"ok":true`) {
				t.Errorf("%s\nanswers %s, %v", sample, out, err)
			}
			tried++
		}
	}
	if tried != 9 {
		t.Errorf("%d samples, want 9", tried)
	}
}
