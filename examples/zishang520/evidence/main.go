// Command evidence shows what the engine of github.com/zishang520/socket.io/v2
// (v2.5.0) does with an application, and what ours does with the same one. It
// starts a server for each setup, drives it with the real JavaScript client and
// with frames that no client sends, prints one table and stops by itself:
//
//	npm ci --prefix test/bridge
//	go run ./examples/zishang520/evidence
//
// The setups: the library's engine as it comes; with permessage-deflate; with a
// parser that refuses malformed packets; Gatehouse's engine under the same
// application; and the application written for Gatehouse.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "evidence:", err)
		os.Exit(1)
	}
}

// run prints the table, or, with --serve, is the server of one setup.
func run(ctx context.Context, args []string, getenv func(string) string, out, log io.Writer) error {
	flags := flag.NewFlagSet("evidence", flag.ContinueOnError)
	setup := flags.String("serve", "", "serve the application in this setup instead of printing the table")
	addr := flags.String("addr", "127.0.0.1:0", "address to serve on")
	client := flags.String("client", "test/bridge/burst.mjs", "the script that sends a burst with the JavaScript client")
	idle := flags.Int("idle", 500, "connections whose memory is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *setup != "" {
		return serve(ctx, *setup, *addr, getenv("GATEHOUSE_JWT_HMAC_SECRET"), log)
	}
	return table(ctx, out, experiment{client: *client, idle: *idle})
}
