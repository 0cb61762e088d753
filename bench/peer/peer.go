// Package peer prepares, starts and stops the servers that are compared. A
// server is one process; it is ended by its process id and nothing else is.
package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The two peers that have a part of their own.
const (
	Product   = "gatehouse" // the peer that has targets
	Reference = "node"      // the peer that all ratios refer to
)

var errUnknown = errors.New("unknown peer")

// Peer is one server to compare.
type Peer struct {
	Name  string
	Title string // for people: what it is, with its version

	dir     string   // where it runs
	command []string // relative to dir where it has a slash
	secret  string   // the environment variable of the HMAC secret
	env     []string // further variables
	prepare []step
}

// step is one command that makes a peer ready to start.
type step struct {
	unless  string // a path, relative to the command's directory, that makes it unnecessary
	command []string
}

// Known gives all peers, the product first, for a checkout at root.
func Known(root string) []Peer {
	peers := filepath.Join(root, "bench", "peers")
	install := step{unless: "node_modules", command: []string{"npm", "ci", "--no-audit", "--no-fund"}}
	product := Peer{
		Name: Product, Title: "Gatehouse", dir: root,
		prepare: []step{{command: []string{"go", "build", "-o", "bin/gatehouse", "./cmd/gatehouse"}}},
		command: []string{"bin/gatehouse", "serve", "--addr", "127.0.0.1:0"},
		secret:  "GATEHOUSE_JWT_HMAC_SECRET", env: []string{"GATEHOUSE_ECHO_ENABLED=true"},
	}
	// As where io_uring is denied: a call of its own for each write.
	writing := product
	writing.Name, writing.Title = "write", "Gatehouse without io_uring"
	writing.env = append(slices.Clone(product.env), "GATEHOUSE_ENGINE_IO_URING=off")
	return []Peer{
		product,
		writing,
		{
			Name: Reference, Title: "Node, socket.io 4.8.4 with ws", dir: filepath.Join(peers, "node"),
			prepare: []step{install},
			command: []string{"node", "server.mjs"}, secret: "BENCH_HMAC_SECRET",
		},
		{
			Name: "uws", Title: "Node, socket.io 4.8.4 with µWebSockets", dir: filepath.Join(peers, "uws"),
			prepare: []step{install, {unless: "glibc", command: []string{"./glibc.sh"}}},
			command: []string{"./start.sh"}, secret: "BENCH_HMAC_SECRET",
		},
		{
			Name: "bun", Title: "Bun 1.4.5, bun-engine 0.1.2", dir: filepath.Join(peers, "bun"),
			prepare: []step{install},
			command: []string{"node_modules/.bin/bun", "server.mjs"}, secret: "BENCH_HMAC_SECRET",
		},
		{
			Name: "zishang", Title: "Go, zishang520/socket.io 2.5.0", dir: filepath.Join(peers, "zishang"),
			prepare: []step{{command: []string{"go", "build", "-o", "zishang", "."}}},
			command: []string{"./zishang"}, secret: "BENCH_HMAC_SECRET",
		},
	}
}

// Choose gives the peers with the names, in their order.
func Choose(known []Peer, names []string) ([]Peer, error) {
	var chosen []Peer
	for _, name := range names {
		i := slices.IndexFunc(known, func(p Peer) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: %q", errUnknown, name)
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}

// Prepare builds or installs what the peer needs.
func (p Peer) Prepare(ctx context.Context) error {
	for _, s := range p.prepare {
		if _, err := os.Stat(filepath.Join(p.dir, s.unless)); s.unless != "" && err == nil {
			continue
		}
		cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
		cmd.Dir = p.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %s: %w\n%s", p.Name, strings.Join(s.command, " "), err, out)
		}
	}
	return nil
}
