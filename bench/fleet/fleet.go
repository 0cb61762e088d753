// Package fleet measures what several nodes of Gatehouse with Redis cost beside
// one node without: the same room of the chat over either, with a ledger of every
// message, the calls that Redis counts, requests that one node hands to another,
// and what a node that joins does to the others.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"gatehouse/bench/client"
	"gatehouse/bench/peer"
	"gatehouse/bench/scenario"
	"gatehouse/bench/token"
)

// Sizes say how much work is done.
type Sizes struct {
	Nodes    int
	Members  int
	Burst    int // messages
	Paced    int // messages
	Rate     int // of the paced ones, a second
	Joining  int // paced messages while one node more joins
	HopPairs int // requests in pairs: a POST and a GET
	Rounds   int
	Idle     time.Duration // what the nodes ask of Redis by themselves is counted for
}

// Full returns the sizes that the published figures are measured with. It takes about a minute.
func Full() Sizes {
	return Sizes{
		Nodes: 3, Members: 1000, Burst: 200, Paced: 80, Rate: 20, Joining: 120, HopPairs: 1500, Rounds: 3,
		Idle: 2 * time.Second,
	}
}

// Quick returns sizes that show whether everything works, and little about speed.
func Quick() Sizes {
	return Sizes{
		Nodes: 3, Members: 60, Burst: 40, Paced: 10, Rate: 20, Joining: 60, HopPairs: 20, Rounds: 1,
		Idle: 100 * time.Millisecond,
	}
}

// Bench starts nodes and measures them.
type Bench struct {
	Root     string // the checkout of Gatehouse
	Sizes    Sizes
	Patience time.Duration // how long silent nodes are waited for
	Progress func(format string, args ...any)
}

// running is a server of one node or several, with the room.
type running struct {
	gatehouse peer.Peer
	secret    string // of tokens
	folder    string
	redis     *Redis // nil: a node alone
	nodes     []*peer.Server
	operators []string // where each node has its metrics
	rig       *scenario.Rig
	hall      *scenario.Hall
}

// Run builds Gatehouse and takes all figures. One node and several take turns.
func (b Bench) Run(ctx context.Context) (*Figures, error) {
	chosen, err := peer.Choose(peer.Known(b.Root), []string{peer.Product})
	if err != nil {
		return nil, err
	}
	if err := chosen[0].Prepare(ctx); err != nil {
		return nil, err
	}
	f := &Figures{Sizes: b.Sizes}
	for round := range b.Sizes.Rounds {
		for _, nodes := range []int{1, b.Sizes.Nodes} {
			b.Progress("round %d, %d node(s)\n", round+1, nodes)
			last := nodes > 1 && round == b.Sizes.Rounds-1
			if err := b.round(ctx, chosen[0], nodes, last, f); err != nil {
				return nil, fmt.Errorf("round %d, %d nodes: void: %w", round+1, nodes, err)
			}
		}
	}
	return f, nil
}

// round measures one server that it starts and ends. With extras it also times
// hops and has one node more join.
func (b Bench) round(ctx context.Context, p peer.Peer, nodes int, extras bool, f *Figures) error {
	folder, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	defer os.RemoveAll(folder)
	r := &running{gatehouse: p, secret: rand.Text() + rand.Text(), folder: folder}
	defer r.stop()
	if err := r.start(ctx, nodes, b.Patience); err != nil {
		return err
	}
	if r.hall, err = scenario.OpenHall(r.rig, b.Sizes.Members); err != nil {
		return r.said(err)
	}
	if r.redis == nil {
		f.One, err = f.One.add(r, b.Sizes)
		return r.said(err)
	}
	if f.Several, err = f.Several.add(r, b.Sizes); err != nil || !extras {
		return r.said(err)
	}
	sign := token.NewSigner(r.secret, time.Now).Sign
	if f.Direct, f.Handed, err = hop(r.nodes[0].Addr, r.nodes[1].Addr, sign("poller"), b.Sizes.HopPairs); err != nil {
		return r.said(err)
	}
	f.Join, err = r.join(ctx, b.Sizes)
	return r.said(err)
}

// start starts so many nodes, with Redis when they are several, and makes the rig.
func (r *running) start(ctx context.Context, nodes int, patience time.Duration) (err error) {
	if nodes > 1 {
		if r.redis, err = StartRedis(ctx, r.folder); err != nil {
			return err
		}
	}
	for range nodes {
		if err := r.node(ctx); err != nil {
			return err
		}
	}
	loop, err := client.NewLoop()
	if err != nil {
		return err
	}
	r.rig = &scenario.Rig{
		Addr: r.nodes[0].Addr, PID: r.nodes[0].PID, Started: r.nodes[0].Started, Protocol: r.gatehouse.Protocol,
		Loop: loop, Sign: token.NewSigner(r.secret, time.Now).Sign, Patience: patience,
	}
	for _, n := range r.nodes[1:] {
		r.rig.Others = append(r.rig.Others, scenario.Node{Addr: n.Addr, PID: n.PID})
	}
	return nil
}

// node starts one node more.
func (r *running) node(ctx context.Context) error {
	operators, err := freeAddr()
	if err != nil {
		return err
	}
	env := []string{"GATEHOUSE_ADMIN_ADDR=" + operators}
	if r.redis != nil {
		between, err := freeAddr()
		if err != nil {
			return err
		}
		env = append(env, "GATEHOUSE_CLUSTER_MODE=streams", "GATEHOUSE_REDIS_URL=redis://"+r.redis.Addr,
			"GATEHOUSE_CLUSTER_ADDR="+between, "GATEHOUSE_CLUSTER_SECRET="+r.secret,
			fmt.Sprintf("GATEHOUSE_CLUSTER_NAME=node-%d", len(r.nodes)+1))
	}
	server, err := r.gatehouse.With(env...).Start(ctx, r.secret, nil)
	if err != nil {
		return err
	}
	r.nodes, r.operators = append(r.nodes, server), append(r.operators, operators)
	return nil
}

// said adds to an error what the nodes printed last.
func (r *running) said(err error) error {
	if err == nil {
		return nil
	}
	for i, n := range r.nodes {
		if tail := n.Tail(); tail != "" {
			err = errors.Join(err, fmt.Errorf("node %d said last: %s", i+1, tail)) //nolint:err113 // words of another process
		}
	}
	return err
}

// stop ends everything that was started.
func (r *running) stop() {
	if r.rig != nil {
		_ = r.rig.Loop.Close()
	}
	for _, n := range r.nodes {
		n.Stop()
	}
	if r.redis != nil {
		r.redis.Stop()
	}
}
