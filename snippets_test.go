package gatehouse_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/wiretest"
)

const (
	snippetAdmin = "a key of operators for tests only, longer than it must be"
	snippetKey   = "a secret of a back end for tests only, longer than it must be"
)

// snippetConfig configures the server that the shell snippets of the pages talk to. Its heartbeat is short, as the
// doctor waits for one.
const snippetConfig = `
addr: 127.0.0.1:0
jwt: {hmac_secret: "` + anySecret + `"}
admin: {addr: "127.0.0.1:0", key: "` + snippetAdmin + `"}
api: {keys: [{name: orders, secret: "` + snippetKey + `", namespaces: ["*"], scopes: [publish, rooms, read, disconnect]}]}
engine: {ping_interval: 1s, ping_timeout: 1s}
namespaces:
  /app:
    rooms:
      - {match: "doc:{id}", join: "true", send: "true", presence: true, history: {messages: 20}}
      - {match: desk}
`

// elsewhere begins the lines that are not run here: they need root, a cluster, the network, or minutes. The targets, packages
// and scripts that they name are looked for; most are run by make test.
var elsewhere = regexp.MustCompile(`^(make|sudo|npm|go (test|run|mod|tool)|kubectl|helm|skopeo|podman|journalctl|printf) `)

// Every other line of shell is run as it stands, in one shell for each block, against one server, beside a client of
// ada's. Where the page goes on with "prints" and a block, the output must be that block.
func TestTheShellSnippetsOfThePagesDoWhatTheySay(t *testing.T) {
	s := startForSnippets(t)
	all, ran := blocks(t), 0
	for i, b := range all {
		script := runnable(b)
		if script == "" {
			continue
		}
		ran++
		s.enter("doc:7")
		out := s.run(b, script)
		if i+1 < len(all) && all[i+1].page == b.page && all[i+1].lead == "prints" {
			prints(t, all[i+1], out)
		}
	}
	if ran < 10 {
		t.Errorf("%d blocks of shell were run", ran)
	}
}

// runnable returns the lines of a block that are run here.
func runnable(b block) string {
	if b.language != "sh" || b.from != "" {
		return ""
	}
	var lines []string
	skipping := false
	for line := range strings.Lines(b.text) {
		if skipping = skipping || elsewhere.MatchString(line); !skipping {
			lines = append(lines, line)
		}
		skipping = skipping && strings.HasSuffix(strings.TrimSpace(line), `\`)
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}

// snippets is the server of the snippets and a folder that they are run in.
type snippets struct {
	t             *testing.T
	dir           string
	public, admin string // addresses
	token         string
	client        wiretest.Client
	entries       int
}

func startForSnippets(t *testing.T) *snippets {
	t.Helper()
	s := &snippets{t: t, dir: t.TempDir()}
	for _, folder := range []string{"bin", "bench/artillery"} {
		if err := os.MkdirAll(filepath.Join(s.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(build(t), filepath.Join(s.dir, "bin/gatehouse")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "gatehouse.yaml"), []byte(snippetConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	s.released()
	s.public, s.admin = s.serve("exec bin/gatehouse serve")
	return s
}

// released puts a signed release into the folder.
func (s *snippets) released() {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "bash", "-ec", `
		ssh-keygen -q -t ed25519 -N "" -C "" -f signer
		echo "gatehouse $(cat signer.pub)" > gatehouse.signers
		echo archive > gatehouse_1.2.3_linux_amd64.tar.gz
		sha256sum gatehouse_1.2.3_linux_amd64.tar.gz > SHA256SUMS
		ssh-keygen -q -Y sign -n file -f signer SHA256SUMS`)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

// serve runs a command that serves until the test ends, and returns the addresses that its log names.
func (s *snippets) serve(script string) (public, admin string) {
	s.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	cmd := s.command(ctx, script)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	log, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	var read []byte
	for public == "" {
		line, err := lines.ReadBytes('\n')
		if read = append(read, line...); err != nil {
			s.t.Fatalf("%s does not listen: %v\n%s", script, err, read)
		}
		var said struct{ Msg, Addr, AdminAddr string }
		if _ = json.Unmarshal(line, &said); said.AdminAddr != "" {
			admin = said.AdminAddr
		}
		if said.Msg == "listening" {
			public = said.Addr
		}
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		_, _ = io.Copy(io.Discard, lines)
	}()
	s.t.Cleanup(func() {
		end()
		<-rest
		_ = cmd.Wait()
	})
	return public, admin
}

// command is a script in the folder, with the environment that the pages describe.
func (s *snippets) command(ctx context.Context, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"HOME=" + s.dir, "PATH=" + filepath.Join(s.dir, "bin") + ":" + os.Getenv("PATH"), "GATEHOUSE_CONFIG=" + filepath.Join(s.dir, "gatehouse.yaml"),
		"GATEHOUSE_API_URL=http://" + s.public, "GATEHOUSE_API_KEY=" + snippetKey, "ADMIN_KEY=" + snippetAdmin,
	}
	return cmd
}

func (s *snippets) shell(script string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var complaints bytes.Buffer
	cmd := s.command(ctx, script)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		s.t.Errorf("%s\n%v\n%s%s", script, err, out, complaints.Bytes())
	}
	return string(out)
}

var redirected = regexp.MustCompile(`(?m) > (\S+)$`)

// run runs the snippet of a page, with the addresses of the server in place of the made-up ones.
func (s *snippets) run(b block, script string) string {
	s.t.Helper()
	script = strings.NewReplacer(
		"https://realtime.example.com", "http://"+s.public, "https://rt.example.com", "http://"+s.public, "http://127.0.0.1:9090", "http://"+s.admin,
		"GATEHOUSE_API_KEY=…", `GATEHOUSE_API_KEY="`+snippetKey+`"`, "GATEHOUSE_TOKEN=…", "GATEHOUSE_TOKEN="+s.token, "seconds=10", "seconds=1",
	).Replace(script)
	if before, command, ok := strings.Cut(script, "bin/gatehouse serve"); ok {
		s.serve(before + "exec bin/gatehouse serve" + command)
		return ""
	}
	out := s.shell(script)
	if strings.Contains(out, `"ok":false`) {
		s.t.Errorf("%s: %s", b, out)
	}
	for _, m := range redirected.FindAllStringSubmatch(script, -1) {
		if text := contents(s.t, filepath.Join(s.dir, m[1])); text == "" || strings.HasPrefix(text, "{") {
			s.t.Errorf("%s: %s holds %q", b, m[1], text)
		}
	}
	return out
}

// enter makes sure that a client of ada's is in /app and a room.
func (s *snippets) enter(room string) {
	s.t.Helper()
	if s.client != nil {
		s.client.Drop()
	}
	s.entries++ // a token of its own, as earlier ones may have been revoked
	s.token = strings.TrimSpace(s.shell(fmt.Sprint("bin/gatehouse token --sub ada --claim entry=", s.entries)))
	c, err := wiretest.Dial(s.t.Context(), s.public, "websocket", wiretest.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Drop)
	s.client = c
	s.ask(fmt.Sprintf(`40/app,{"token":%q}`, s.token), `40/app,`)
	s.ask(fmt.Sprintf(`42/app,1["room:join",{"room":%q}]`, room), `43/app,1[{"ok":true`)
}

// ask sends a packet and waits for its answer.
func (s *snippets) ask(packet, answer string) {
	s.t.Helper()
	if err := s.client.Send(packet); err != nil {
		s.t.Fatal(err)
	}
	for {
		p, err := s.client.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.HasPrefix(p.Text, answer) {
			return
		}
		if strings.HasPrefix(p.Text, "44") || strings.HasPrefix(p.Text, "43") {
			s.t.Fatalf("%s is answered %s", packet, p.Text)
		}
	}
}

// prints compares the output with the page. JSON must have the same form; a value with dots in it stands for any value
// of its kind.
func prints(t *testing.T, b block, out string) {
	t.Helper()
	want, got := values(t, b.String(), b.text), values(t, b.String()+": what came", out)
	if len(want) != len(got) {
		t.Errorf("%s: %d values came, the page has %d:\n%s", b, len(got), len(want), out)
		return
	}
	for i := range want {
		if why := differs(want[i], got[i]); why != "" {
			t.Errorf("%s: value %d: %s; what came:\n%s", b, i+1, why, out)
		}
	}
}

func values(t *testing.T, what, text string) (all []any) {
	t.Helper()
	for in := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		if err := in.Decode(&v); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("%s is no JSON: %v\n%s", what, err, text)
		}
		all = append(all, v)
	}
}

// differs says where a value has another form than on the page; "" when it has the same.
func differs(want, got any) string {
	if text, ok := want.(string); ok && strings.Contains(text, "…") {
		return ""
	}
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name := range g {
			if _, ok := w[name]; !ok {
				return "the page has no " + name
			}
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				return "there is no " + name
			}
			if why := differs(w[name], g[name]); why != "" {
				return name + ": " + why
			}
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return fmt.Sprintf("%d entries, not %d", len(g), len(w))
		}
		for i := range w {
			if why := differs(w[i], g[i]); why != "" {
				return why
			}
		}
	default:
		if !reflect.DeepEqual(want, got) {
			return fmt.Sprintf("%v, not %v", got, want)
		}
	}
	return ""
}
