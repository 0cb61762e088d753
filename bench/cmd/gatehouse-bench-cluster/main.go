// Command gatehouse-bench-cluster measures several nodes of Gatehouse with Redis
// beside one node, and prints a table of the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gatehouse/bench/fleet"
	"gatehouse/bench/report"
)

// figuresBegin is the line of the page after which the figures stand.
const figuresBegin = "<!-- figures: make bench-cluster writes what follows -->\n"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse-bench-cluster:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("gatehouse-bench-cluster", flag.ContinueOnError)
	f.SetOutput(stderr)
	root := f.String("root", "..", "the checkout of Gatehouse")
	out := f.String("out", "", "write the figures into this page, too")
	quick := f.Bool("quick", false, "one small round that shows whether everything works; it is not written")
	rounds := f.Int("rounds", fleet.Full().Rounds, "how often; one node and several take turns")
	patience := f.Duration("patience", 5*time.Second, "how long silent nodes are waited for")
	if err := f.Parse(args); err != nil {
		return err
	}
	checkout, err := filepath.Abs(*root)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	b := fleet.Bench{Root: checkout, Sizes: fleet.Full(), Patience: *patience, Progress: func(format string, args ...any) {
		fmt.Fprintf(stderr, format, args...)
	}}
	b.Sizes.Rounds = *rounds
	if *quick {
		b.Sizes = fleet.Quick()
	}
	figures, err := b.Run(ctx)
	if err != nil {
		return err
	}
	text := heading(ctx, checkout, b.Sizes.Rounds) + figures.Markdown()
	if _, err := io.WriteString(stdout, text); err != nil || *out == "" || *quick {
		return err
	}
	return report.WriteFigures(*out, figuresBegin, text)
}

// heading says when and where the figures were taken.
func heading(ctx context.Context, checkout string, rounds int) string {
	commit, _ := exec.CommandContext(ctx, "git", "-C", checkout, "rev-parse", "--short", "HEAD").Output()
	m := report.ThisMachine()
	return fmt.Sprintf("%s, commit `%s`, %d processors (%s, Linux %s), median of %d rounds.\n\n",
		time.Now().Format("2006-01-02"), strings.TrimSpace(string(commit)), m.CPUs, m.Processor, m.Kernel, rounds)
}
