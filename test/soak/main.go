// Command soak lets a chat live through everything that networks and operators
// do to it, and then asks where each message went.
//
// It starts the real binary and members of several rooms, over WebSocket,
// polling and the upgrade. Most of them reach the server through a line of
// their own that is cut, reset, delayed, slowed or left half-open; they come
// and go, stop reading, and send meanwhile; the server is restarted on its port.
// It then holds what everybody saw against what there was:
//
//   - Each stay of a member in a room is one piece of the room's order: no gap, no
//     repetition, no other order, from the history that the join answered to the
//     last message before the end.
//   - Whoever lost a connection saw it end; after the return with since, the
//     history closes the gap whenever it says that it is complete.
//   - Each acknowledged message is in the room's order, once for each life of the
//     server, behind those that its sender sent before.
//   - Members on an undisturbed line are cut by restarts only.
//   - The server never ends but when told to, then in order; in the end it holds no
//     more goroutines, files and memory than before the first client.
//
// Everything is on the loopback interface. The decisions of every member come
// from the seed, which is printed; the times at which the parts meet do not.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 10*time.Minute, "how long there is trouble")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "of all decisions; printed")
	flag.IntVar(&o.members, "members", 120, "how many clients there are")
	flag.IntVar(&o.rooms, "rooms", 8, "how many rooms they share")
	flag.StringVar(&o.binary, "binary", "bin/gatehouse", "the server")
	flag.BoolVar(&o.tls, "tls", false, "everybody connects over TLS")
	flag.StringVar(&o.log, "log", "", "where the server's log is kept; empty: nowhere")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// options say how hard and how long.
type options struct {
	duration time.Duration
	seed     uint64
	members  int
	rooms    int
	binary   string
	tls      bool
	secure   *tls.Config // of the clients, once the server has its certificate; nil: no TLS
	log      string
}

// restarts is how often the server is restarted: about every 75 seconds, at
// least once.
func (o options) restarts() int { return max(1, int(o.duration/(75*time.Second))) }
