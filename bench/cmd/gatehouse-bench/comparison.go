package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"gatehouse/bench/certificate"
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
	cert      *certificate.Certificate // of the scenarios under TLS
	progress  io.Writer
	now       func() time.Time
}

// begin prepares the peers and gives a report without figures.
func (c *comparison) begin(ctx context.Context) (*report.Report, error) {
	var names []report.Peer
	for _, p := range c.peers {
		fmt.Fprintf(c.progress, "preparing %s\n", p.Name)
		if err := p.Prepare(ctx); err != nil {
			return nil, err
		}
		names = append(names, report.Peer{Name: p.Name, Title: p.Title, Aside: p.Aside})
	}
	r := report.New(peer.Product, peer.Reference, names, c.scenarios)
	r.Date, r.Commit, r.Machine = c.now(), commit(ctx, c.root), report.ThisMachine()
	return r, nil
}

// commit returns the short name of the commit of the checkout, "" without git.
func commit(ctx context.Context, root string) string {
	out, _ := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD").Output()
	return strings.TrimSpace(string(out))
}

// round runs each scenario once at each peer that offers it. The peers take turns
// at being the first.
func (c *comparison) round(ctx context.Context, r *report.Report, scenarios []scenario.Scenario) error {
	start := c.now()
	for _, s := range scenarios {
		for i := range c.peers {
			p := c.peers[(i+r.Rounds)%len(c.peers)]
			if !c.measures(p, s) {
				continue
			}
			values, err := c.one(ctx, p, s, r.Rounds)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.tell(r.Rounds, p, s, values, err)
			r.Add(p.Name, s.Name, values, err)
		}
	}
	r.Rounds++
	r.Finish()
	fmt.Fprintf(c.progress, "round %d took %v\n", r.Rounds, c.now().Sub(start).Round(time.Second))
	return nil
}

// measures says whether a scenario is run at a peer.
func (c *comparison) measures(p peer.Peer, s scenario.Scenario) bool {
	if s.Secure && !contains(c.tlsPeers, p.Name) {
		return false
	}
	return p.Offers(s.Plain, s.Secure)
}

func contains(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// one runs a scenario against a freshly started server.
func (c *comparison) one(ctx context.Context, p peer.Peer, s scenario.Scenario, round int) (scenario.Values, error) {
	secret := rand.Text() + rand.Text() // 52 characters: enough for HS256
	rig := &scenario.Rig{
		Protocol: p.Protocol, Patience: c.patience,
		Sign: token.NewSigner(secret, c.now).Sign, Attach: c.attachment(p, round),
	}
	cert := c.cert
	if s.Secure {
		rig.TLS = cert.Client
	} else {
		cert = nil
	}
	server, err := p.Start(ctx, secret, cert)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	if rig.Loop, err = client.NewLoop(); err != nil {
		return nil, err
	}
	defer func() { _ = rig.Loop.Close() }()
	rig.Addr, rig.PID, rig.Started = server.Addr, server.PID, server.Started
	values, err := s.Run(rig)
	if err != nil && server.Tail() != "" {
		err = fmt.Errorf("%w; the server said last: %s", err, server.Tail())
	}
	return values, err
}

// attachment returns the command to attach with its peer and round filled in.
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
