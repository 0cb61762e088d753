package server_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/handshake"
)

// TestAProgramOfSomebodyElseEmbedsTheServer builds a module of its own, which
// replaces gatehouse by this tree, runs its tests and talks to it.
func TestAProgramOfSomebodyElseEmbedsTheServer(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), buildEmbedding(t))
	cmd.Env = append(os.Environ(), "ORDERS_SECRET="+secret)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	addr := listeningAddr(t, lines)

	c := dial(t, addr, "websocket")
	if reply := enter(c, "/orders", token(t, "eve")); reply != `44/orders,{"message":"orders needs the orders scope","data":{"code":"forbidden"}}` {
		t.Errorf("without the scope: %s", reply)
	}
	if reply := enter(c, "/orders", scoped(t, "ada", "orders")); !strings.HasPrefix(reply, `40/orders,{"sid":`) {
		t.Fatalf("with the scope: %s", reply)
	}
	c.send(`42/orders,7["order:create",{"item":"tea"}]`)
	if reply := c.next(); reply != `43/orders,7[{"item":"tea","by":"ada"}]` {
		t.Errorf("the acknowledgement is %s", reply)
	}

	if body := fetch(t, "http://"+addr+"/version"); body != "orders 1" {
		t.Errorf("its route says %q", body)
	}
	for _, line := range []string{"orders_sockets_total 1", "gatehouse_connections 1"} {
		if body := fetch(t, "http://"+addr+"/metrics"); !strings.Contains(body, line) {
			t.Errorf("its metrics lack %q:\n%s", line, body)
		}
	}

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // read to the end, before Wait closes the pipe
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

// buildEmbedding builds testdata/embed with our checksums, so that nothing is
// asked for over the network.
func buildEmbedding(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{"testdata/embed/go.mod": "go.mod", "../go.sum": "go.sum"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, modules := filepath.Join(dir, "orders"), "-modfile="+filepath.Join(dir, "go.mod")
	for _, args := range [][]string{
		{"build", "-mod=mod", modules, "-o", program, "."},
		{"test", "-mod=mod", modules, "."},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Join("testdata", "embed")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	return program
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func listeningAddr(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "listening" {
			return entry.Addr
		}
		t.Log(lines.Text())
	}
	t.Fatal("the program did not start")
	return ""
}

// scoped makes a token with a scope.
func scoped(t *testing.T, subject, scope string) string {
	t.Helper()
	return mint(t, handshake.TokenSpec{Subject: subject, Claims: map[string]any{"scope": scope}})
}
