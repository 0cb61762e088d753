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

	"gatehouse/bench/client"
)

var errUnknown = errors.New("unknown peer")

// Peer is one server to compare.
type Peer struct {
	Name  string
	Title string // for people: what it is, with its version

	Protocol client.Protocol
	// Aside is set for an entry that is no other server: a floor, or the
	// product itself in another setting.
	Aside bool

	dir     string   // where it runs
	command []string // relative to dir where it has a slash
	secret  string   // the environment variable of the HMAC secret
	port    string   // the variable of the port, for a server that can't choose one; empty: it can
	env     []string // further variables
	tls     secured
	prepare []step
	without []string // scenarios that it has nothing for
	only    []string // when not empty, the scenarios that it has something for
}

// secured are the environment variables that have a server speak TLS.
type secured struct {
	cert, key string // of the files; empty: the server does not speak it
	env       []string
}

// step is one command that makes a peer ready to start.
type step struct {
	unless  string // a path, relative to the command's directory, that makes it unnecessary
	command []string
}

// Offers says whether the peer can do a scenario, under TLS or plain.
func (p Peer) Offers(scenario string, secure bool) bool {
	if secure && p.tls.cert == "" {
		return false
	}
	return !slices.Contains(p.without, scenario) && (len(p.only) == 0 || slices.Contains(p.only, scenario))
}

// Choose returns the peers with the names, in their order.
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

// With returns the peer with further environment variables, each NAME=value.
func (p Peer) With(env ...string) Peer {
	p.env = slices.Concat(p.env, env)
	return p
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
