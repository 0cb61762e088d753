package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// scenario is one attack.
type scenario struct {
	name string
	who  string // "stranger", "user" or "operator"
	what string // description of the attack, for the table
	// settings are more lines of the server's configuration; files is the most
	// that it may open, 0: as many as this process.
	settings string
	files    int
	// prepare, when set, starts a helper, and returns the settings by which the
	// server finds it. The helper runs until ctx ends.
	prepare func(ctx context.Context) (settings string)
	// memory is the most that the attack may add to the server's resident memory,
	// in MB.
	memory int64
	// near is set for attackers who come from the address of the honest clients;
	// the others have an address of their own.
	near bool
	// silent is set when nobody reads the server's log during the attack.
	silent bool
	// attack runs in a separate process until ctx ends or it is done. It fails when
	// the server has broken a promise.
	attack func(ctx context.Context, t *target) error
}

// result holds the cost of a scenario.
type result struct {
	scenario
	base, peak   peak
	quiet, under map[string]figures
	cuts         int64
	why          string // of the first cut
	failed       error  // the promise that the server has broken
}

// play runs one scenario against a process of its own.
func (s scenario) play(ctx context.Context, o options) (result, error) {
	r := result{scenario: s}
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	preparing, unprepare := context.WithCancel(ctx)
	defer unprepare()
	settings := s.settings + o.settings + "\n"
	if s.prepare != nil {
		settings += s.prepare(preparing)
	}
	t, err := start(ctx, o, dir, settings, s.files)
	if err != nil {
		return r, err
	}
	defer t.kill()
	h, err := begin(ctx, t)
	if err != nil {
		return r, fmt.Errorf("honest clients: %w", err)
	}
	defer h.end()

	r.base = t.during(ctx, o.quiet, nil)
	r.quiet = h.phase()
	if s.silent {
		t.logs.pause()
	}
	r.peak = t.during(ctx, o.attack, func(ctx context.Context) { r.failed = s.sendAttackers(ctx, t) })
	t.logs.resume()
	r.under = h.phase()
	r.cuts, r.why = h.cuts()
	h.end()
	r.failed = errors.Join(r.failed, t.alive(), t.stop())
	return r, errors.Join(r.failed, ctx.Err())
}

// during watches the server for a time, with the attack running if there is one.
// It returns when the attack has ended.
func (t *target) during(ctx context.Context, d time.Duration, attack func(context.Context)) peak {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var group sync.WaitGroup
	if attack != nil {
		group.Go(func() { attack(ctx) })
	}
	most := t.watch(ctx)
	group.Wait()
	return most
}

// grown is what the attack added to the memory, in MB.
func (r result) grown() int64 { return (r.peak.memory - r.base.memory) >> 20 }

// held reports whether no honest client was worse off than the machine explains:
// its p99 is within twice the value in peace plus 20 ms, wherever that holds for
// the control.
func (r result) held() string {
	switch {
	case r.failed != nil:
		return "no"
	case r.cuts > 0:
		return "cut"
	}
	if worse(r.quiet[control], r.under[control]) {
		return "machine busy"
	}
	for name, quiet := range r.quiet {
		if worse(quiet, r.under[name]) {
			return "slower"
		}
	}
	return "yes"
}

func worse(quiet, under figures) bool { return under.p99 > 2*quiet.p99+20*time.Millisecond }

// columns are the honest clients in the order of the table.
var columns = []string{echoOverWebSocket, echoOverPolling, chatMessage, signIn, control}

// String is a line for a person who watches.
func (r result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-22s +%d MB, kernel +%d MB, %d files, held: %s", r.name, r.grown(), (r.peak.kernel-r.base.kernel)>>20, r.peak.files, r.held())
	for _, c := range columns {
		fmt.Fprintf(&b, "; %s %s", c, r.times(c))
	}
	if r.cuts > 0 {
		fmt.Fprintf(&b, "; %d cuts, first %s", r.cuts, r.why)
	}
	if r.failed != nil {
		fmt.Fprintf(&b, "; %v", r.failed)
	}
	return b.String()
}

// times are p50 and p99 under attack and in peace, in milliseconds.
func (r result) times(name string) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	q, u := r.quiet[name], r.under[name]
	return fmt.Sprintf("%s/%s (%s/%s)", ms(u.p50), ms(u.p99), ms(q.p50), ms(q.p99))
}

// table is the report as Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| attack | who | what | memory, MB | kernel, MB | files | " + strings.Join(columns, " | ") + " | held |\n")
	b.WriteString("|" + strings.Repeat("---|", len(columns)+7) + "\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %d (+%d) | +%d | %d |", r.name, r.who, r.what, r.peak.memory>>20, r.grown(), (r.peak.kernel-r.base.kernel)>>20, r.peak.files)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", r.times(c))
		}
		fmt.Fprintf(&b, " %s |\n", r.held())
	}
	return b.String()
}
