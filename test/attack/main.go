// Command attack does to a server what attackers and one bad user can do, and
// asks what it costs everybody else.
//
// Each scenario gets a fresh process of the real binary. Honest clients use it all
// the time: an echo over a WebSocket and one over long-polling, a message in a
// chat room of their own, a sign-in on a new connection. A TCP server of a few
// lines is asked at the same pace: it is the control, which shows what the machine
// itself is busy with. Attackers are a process of low priority and come from an
// address of their own, unless it is what the attack is about: in the field they have
// machines of their own. First the server is left in peace, then the attack runs;
// the table has both, with the peak of the server's memory and files.
//
// Everything is on the loopback interface, bounded in count and time, and stops by
// itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	if attackersWork() {
		return
	}
	var o options
	var only, report string
	flag.StringVar(&o.binary, "binary", "bin/gatehouse", "the server")
	flag.StringVar(&only, "run", "", "only scenarios whose name this regular expression finds")
	flag.DurationVar(&o.quiet, "quiet", 3*time.Second, "how long the server is left in peace first")
	flag.DurationVar(&o.attack, "for", 8*time.Second, "how long each attack lasts")
	flag.Float64Var(&o.scale, "scale", 1, "of the number of attackers")
	flag.StringVar(&o.settings, "settings", "", "more lines of the server's configuration, such as admin: {addr: 127.0.0.1:6060} for /debug/pprof/")
	flag.BoolVar(&o.tls, "tls", false, "everybody connects over TLS")
	flag.StringVar(&report, "report", "", "a page that has a place for the table; only the whole of it is written, at full strength and without TLS")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := runAll(ctx, o, only, report)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

// options say how hard and how long.
type options struct {
	binary        string
	quiet, attack time.Duration
	scale         float64
	settings      string
	tls           bool
}

// many scales a number of attackers.
func (o options) many(n int) int { return max(1, int(float64(n)*o.scale)) }

func runAll(ctx context.Context, o options, only, report string) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	var results []result
	var failed error
	for _, s := range scenarios {
		if !pick.MatchString(s.name) || ctx.Err() != nil {
			continue
		}
		r, err := s.play(ctx, o)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		results = append(results, r)
		fmt.Println(r)
	}
	if report != "" && only == "" && o.scale == 1 && !o.tls && ctx.Err() == nil {
		failed = errors.Join(failed, writePage(report, o, results))
	}
	return failed
}
