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
	"strings"
	"syscall"
	"time"

	"gatehouse/bench/peer"
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

// options are what the command line says.
type options struct {
	root      string
	peers     string
	scenarios string
	rounds    int
	quick     bool
	out       string
	attach    string
	patience  time.Duration
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("gatehouse-bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.root, "root", "..", "the checkout of Gatehouse")
	f.StringVar(&o.peers, "peers", "gatehouse,write,node,uws,bun,zishang", "the servers to compare")
	f.StringVar(&o.scenarios, "scenarios", "idle,burst,paced,echo,churn,growth", "what to run")
	f.IntVar(&o.rounds, "rounds", 3, "how often; the peers take turns within a round")
	f.BoolVar(&o.quick, "quick", false, "one small round that shows whether everything works; its figures are held against no target")
	f.StringVar(&o.out, "out", "", "write the report to this path with .json and .svg added")
	f.StringVar(&o.attach, "attach", "", "shell command beside each measured section, with $PID, $SECTION, $PEER and $ROUND; "+
		"for example 'perf record -g -p $PID -o $PEER-$SECTION.perf'")
	f.DurationVar(&o.patience, "patience", 10*time.Second, "how long a silent server is waited for")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.quick {
		o.rounds = 1
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	peers, err := peer.Choose(peer.Known(root), strings.Split(o.peers, ","))
	if err != nil {
		return err
	}
	sizes := scenario.Full()
	if o.quick {
		sizes = scenario.Quick()
	}
	scenarios, err := choose(scenario.All(sizes), strings.Split(o.scenarios, ","))
	if err != nil {
		return err
	}
	if o.quick {
		unjudged(scenarios)
	}
	c := &comparison{options: o, peers: peers, scenarios: scenarios, progress: stderr, now: time.Now}
	r, err := c.run(ctx)
	if err != nil {
		return err
	}
	r.Sizes = sizes
	if err := r.Table(stdout); err != nil {
		return err
	}
	return save(r, o.out)
}

// unjudged takes the targets away: they are for the full sizes.
func unjudged(scenarios []scenario.Scenario) {
	for _, s := range scenarios {
		for i := range s.Metrics {
			s.Metrics[i].Target, s.Metrics[i].Within = 0, 0
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
