// Command gatehouse-bench compares Gatehouse with other Socket.IO servers: it
// starts each, drives it through the same scenarios, and reports what the server
// cost in processor time and memory as a ratio to Node's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/bench/certificate"
	"gatehouse/bench/peer"
	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse-bench:", err)
		stop()
		os.Exit(1)
	}
}

// The scenarios that run by default.
const (
	allPeers     = "gatehouse,write,node,uws,bun,centrifugo,zishang3,zishang,floor,floor-uring"
	allScenarios = "idle,burst,paced,large,rooms,acks,poll,echo,churn,growth,tls-idle,tls-burst,tls-paced,tls-echo"
)

// options are what the command line says.
type options struct {
	root      string
	peers     string
	scenarios string
	tls       bool
	tlsPeers  string
	times     int
	quick     bool
	add       bool
	out       string
	check     string
	attach    string
	patience  time.Duration
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("gatehouse-bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.root, "root", "..", "the checkout of Gatehouse")
	f.StringVar(&o.peers, "peers", allPeers, "the servers to compare")
	f.StringVar(&o.scenarios, "scenarios", allScenarios, "what to run; with tls- before it: under TLS")
	f.BoolVar(&o.tls, "tls", false, "run all scenarios under TLS")
	f.StringVar(&o.tlsPeers, "tls-peers", "gatehouse,node", "the servers to compare under TLS")
	f.IntVar(&o.times, "rounds", 3, "how often; the peers take turns within a round")
	f.BoolVar(&o.quick, "quick", false, "one small round that shows whether everything works; its figures are held against no target")
	f.BoolVar(&o.add, "add", false, "add to the rounds that the report at -out has")
	f.StringVar(&o.out, "out", "", "write the report to this path with .json and .svg added, and into the page with .md added; "+
		"a part of the peers or scenarios is only written with -add")
	f.StringVar(&o.check, "check", "", "fail when the product is worse, beside its peers, than this report has it")
	f.StringVar(&o.attach, "attach", "", "shell command beside each measured section, with $PID, $SECTION, $PEER and $ROUND; "+
		"for example 'perf record -g -p $PID -o $PEER-$SECTION.perf'")
	f.DurationVar(&o.patience, "patience", 5*time.Second, "how long a silent server is waited for")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.add && o.out == "":
		return o, errors.New("-add needs -out")
	}
	if o.quick {
		o.times = 1
	}
	return o, nil
}

// whole says whether the report is of all that a page has.
func (o options) whole() bool {
	return o.peers == allPeers && o.scenarios == allScenarios && !o.tls && !o.quick
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	defer os.RemoveAll(folder)
	c, sizes, err := o.comparison(folder, stderr)
	if err != nil {
		return err
	}
	r, err := c.begin(ctx)
	if err != nil {
		return err
	}
	r.Sizes = sizes
	if o.add {
		earlier, err := load(o.out + ".json")
		if err != nil {
			return err
		}
		r.Merge(earlier)
	}
	if err := c.rounds(ctx, r); err != nil {
		return err
	}
	if err := r.Table(stdout); err != nil || o.check == "" {
		return err
	}
	earlier, err := load(o.check)
	if err != nil {
		return err
	}
	return c.checked(ctx, r, earlier, stdout)
}

// comparison prepares what the options ask for.
func (o options) comparison(folder string, progress io.Writer) (*comparison, scenario.Sizes, error) {
	sizes := scenario.Full()
	if o.quick {
		sizes = scenario.Quick()
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return nil, sizes, fmt.Errorf("root: %w", err)
	}
	c := &comparison{options: o, progress: progress, now: time.Now}
	if c.peers, err = peer.Choose(peer.Known(root), strings.Split(o.peers, ",")); err != nil {
		return nil, sizes, err
	}
	plain := scenario.All(sizes)
	if c.scenarios, err = choose(slices.Concat(plain, scenario.Secured(plain)), strings.Split(o.scenarios, ",")); err != nil {
		return nil, sizes, err
	}
	if o.tls {
		c.scenarios = scenario.Secured(slices.DeleteFunc(c.scenarios, func(s scenario.Scenario) bool { return s.Secure }))
	}
	if o.quick {
		unjudged(c.scenarios)
	}
	c.cert, err = certificate.Make(folder, time.Now())
	return c, sizes, err
}

// rounds runs them and saves the report after each, so that nothing is lost when
// one is interrupted.
func (c *comparison) rounds(ctx context.Context, r *report.Report) error {
	for range c.times {
		if err := c.round(ctx, r, c.scenarios); err != nil {
			return err
		}
		if c.out == "" || !c.whole() && !c.add {
			continue
		}
		if err := save(r, c.out); err != nil {
			return err
		}
	}
	return nil
}

// unjudged takes the targets away: they are for the full sizes.
func unjudged(scenarios []scenario.Scenario) {
	for _, s := range scenarios {
		for i := range s.Metrics {
			s.Metrics[i].Targets, s.Metrics[i].Within = nil, 0
		}
	}
}

var errScenario = errors.New("unknown scenario")

func choose(all []scenario.Scenario, names []string) ([]scenario.Scenario, error) {
	var chosen []scenario.Scenario
	for _, name := range names {
		found := false
		for _, s := range all {
			if s.Name == name {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: %q", errScenario, name)
		}
	}
	return chosen, nil
}
