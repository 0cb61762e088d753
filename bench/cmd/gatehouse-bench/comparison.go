package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"gatehouse/bench/client"
	"gatehouse/bench/peer"
	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
	"gatehouse/bench/token"
)

// comparison runs all scenarios at all peers, round by round.
type comparison struct {
	options
	peers     []peer.Peer
	scenarios []scenario.Scenario
	progress  io.Writer
	now       func() time.Time
}

func (c *comparison) run(ctx context.Context) (*report.Report, error) {
	var names []report.Peer
	for _, p := range c.peers {
		fmt.Fprintf(c.progress, "preparing %s\n", p.Name)
		if err := p.Prepare(ctx); err != nil {
			return nil, err
		}
		names = append(names, report.Peer{Name: p.Name, Title: p.Title})
	}
	r := report.New(peer.Product, peer.Reference, names, c.scenarios)
	r.Date, r.Machine, r.Rounds = c.now(), report.ThisMachine(), c.rounds
	for round := range c.rounds {
		for _, s := range c.scenarios {
			for i := range c.peers {
				p := c.peers[(i+round)%len(c.peers)] // nobody is always the first
				values, err := c.one(ctx, p, s, round)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				c.tell(round, p, s, values, err)
				r.Add(p.Name, s.Name, values, err)
			}
		}
	}
	r.Finish()
	return r, nil
}

// one runs a scenario against a freshly started server.
func (c *comparison) one(ctx context.Context, p peer.Peer, s scenario.Scenario, round int) (scenario.Values, error) {
	secret := rand.Text() + rand.Text() // 52 characters: enough for HS256
	server, err := p.Start(ctx, secret)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	loop, err := client.NewLoop()
	if err != nil {
		return nil, err
	}
	defer func() { _ = loop.Close() }()
	values, err := s.Run(&scenario.Rig{
		Addr: server.Addr, PID: server.PID, Loop: loop, Patience: c.patience,
		Sign: token.NewSigner(secret, c.now).Sign, Attach: c.attachment(p, round),
	})
	if err != nil && server.Tail() != "" {
		err = fmt.Errorf("%w; the server said last: %s", err, server.Tail())
	}
	return values, err
}

// attachment gives the command to attach with its peer and round filled in.
func (c *comparison) attachment(p peer.Peer, round int) string {
	if c.attach == "" {
		return ""
	}
	return "env PEER=" + p.Name + fmt.Sprintf(" ROUND=%d sh -c 'exec %s'", round+1, c.attach)
}

func (c *comparison) tell(round int, p peer.Peer, s scenario.Scenario, values scenario.Values, err error) {
	fmt.Fprintf(c.progress, "round %d, %s, %s:", round+1, s.Name, p.Name)
	if err != nil {
		fmt.Fprintf(c.progress, " void: %.500s\n", err.Error())
		return
	}
	for _, m := range s.Metrics {
		fmt.Fprintf(c.progress, " %s %.2f", m.ID, values[m.ID])
	}
	fmt.Fprintln(c.progress)
}

// save writes the report beside each other as JSON and as a picture.
func save(r *report.Report, path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(path+".json", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(path + ".svg")
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	defer f.Close()
	if err := r.Picture(f); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return f.Close()
}
