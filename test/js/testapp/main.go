// Command testapp is a program of somebody who embeds Gatehouse: it mounts namespaces with handlers for what the chat has no
// use for, written on the public API only. The suites of test/js run against it; test/js/reference/lab.mjs is the same on
// Node's server.
//
// The token's secret and the heartbeat come from GATEHOUSE_JWT_HMAC_SECRET, GATEHOUSE_ENGINE_PING_INTERVAL and
// GATEHOUSE_ENGINE_PING_TIMEOUT, as with gatehouse serve; so do recovery, the cluster, and
// GATEHOUSE_API_SECRET, a key that reads.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
	"gatehouse/server/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string) error {
	flags := flag.NewFlagSet("testapp", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "where to listen")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg, err := config(*addr, getenv)
	if err != nil {
		return err
	}
	srv, err := server.New(cfg, lab(), greeter(), guarded())
	if err != nil {
		return err
	}
	return srv.Run(ctx)
}

func config(addr string, getenv func(string) string) (server.Config, error) {
	var cfg server.Config
	var err error
	cfg.Addr = addr
	cfg.Dev = true // localhost origins
	cfg.JWT.HMACSecret = handshake.Secret(getenv("GATEHOUSE_JWT_HMAC_SECRET"))
	cfg.Drain.Spread = 100 * time.Millisecond
	cfg.Redis.URL = handshake.Secret(getenv("GATEHOUSE_REDIS_URL"))
	cfg.Redis.Prefix = getenv("GATEHOUSE_REDIS_PREFIX")
	cfg.Cluster.Mode = getenv("GATEHOUSE_CLUSTER_MODE")
	cfg.Cluster.Key = getenv("GATEHOUSE_CLUSTER_KEY")
	if cfg.Cluster.Patience, err = duration(getenv("GATEHOUSE_CLUSTER_PATIENCE")); err != nil {
		return cfg, err
	}
	cfg.Cluster.Addr = getenv("GATEHOUSE_CLUSTER_ADDR")
	cfg.Cluster.Secret = handshake.Secret(getenv("GATEHOUSE_CLUSTER_SECRET"))
	if cfg.Recovery.For, err = duration(getenv("GATEHOUSE_RECOVERY_FOR")); err != nil {
		return cfg, err
	}
	if key := getenv("GATEHOUSE_API_SECRET"); key != "" {
		cfg.API.Keys = []api.Key{{Name: "test", Secret: handshake.Secret(key), Namespaces: []string{"*"}, Scopes: []string{api.ScopeRead}}}
	}
	cfg.Recovery.Messages, _ = strconv.Atoi(getenv("GATEHOUSE_RECOVERY_MESSAGES")) // 0, the default, without one
	if cfg.Engine.PingInterval, err = duration(getenv("GATEHOUSE_ENGINE_PING_INTERVAL")); err != nil {
		return cfg, err
	}
	if cfg.Engine.PingTimeout, err = duration(getenv("GATEHOUSE_ENGINE_PING_TIMEOUT")); err != nil {
		return cfg, err
	}
	cfg.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	cfg.Hooks = []namespaces.Hooks{{RecoveryFailed: func(_ *namespaces.Socket, why namespaces.RecoveryFailure) {
		cfg.Logger.Info("not recovered", "cause", string(why))
	}}}
	return cfg, nil
}

// duration reads an optional duration: empty means the default.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}
