package cluster

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// peer is a Node server, see testdata/node/peer.mjs.
type peer struct {
	t     *testing.T
	in    io.WriteCloser
	id    string // of its client
	mu    sync.Mutex
	said  []string // what it prints
	asked int
}

// startPeer starts a Node server. Without its packages the test is skipped, unless TEST_ORACLE=1 says that they must be
// there.
func startPeer(t *testing.T, mode string, r *redisServer) *peer {
	t.Helper()
	const dir = "testdata/node"
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "socket.io")); err != nil {
		if os.Getenv("TEST_ORACLE") != "" {
			t.Fatal(err)
		}
		t.Skip("npm ci in " + dir + " installs what this test needs")
	}
	cmd := exec.Command("node", "peer.mjs", mode, "redis://"+r.addr)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, in: in}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.said = append(p.said, lines.Text())
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
	var ready struct{ Ready string }
	p.find("ready", &ready)
	p.id = ready.Ready
	return p
}

// do makes the server do something.
func (p *peer) do(command map[string]any) {
	p.t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatal(err)
	}
}

// ask makes the server do something and returns its answer.
func (p *peer) ask(command map[string]any, v any) {
	p.t.Helper()
	p.asked++
	command["id"] = p.asked
	p.do(command)
	var answer struct {
		ID    int
		Value json.RawMessage
		Error string
	}
	for answer.ID != p.asked {
		p.find("id", &answer)
	}
	if answer.Error != "" {
		p.t.Fatalf("%v: %s", command, answer.Error)
	}
	if err := json.Unmarshal(answer.Value, v); err != nil {
		p.t.Fatal(err)
	}
}

// find waits for the next line that has a field, removes it and decodes it.
func (p *peer) find(field string, v any) string {
	p.t.Helper()
	var line string
	until(p.t, "Node's server says "+field, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, said := range p.said {
			var fields map[string]json.RawMessage
			if json.Unmarshal([]byte(said), &fields) == nil && fields[field] != nil {
				line = said
				p.said = append(p.said[:i:i], p.said[i+1:]...)
				return true
			}
		}
		return false
	})
	if v != nil {
		if err := json.Unmarshal([]byte(line), v); err != nil {
			p.t.Fatal(err)
		}
	}
	return line
}
