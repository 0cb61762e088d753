// Package site serves the parts that the ported examples have in common: a
// folder of static files, and a Socket.IO server that lets everybody in.
package site

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// drainTimeout limits the orderly end.
const drainTimeout = 5 * time.Second

// Main serves the files and the namespace until the process is told to end.
func Main(files fs.FS, ns *namespaces.Namespace) {
	addr := flag.String("addr", "127.0.0.1:3000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, files, ns); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, files fs.FS, ns *namespaces.Namespace) error {
	io, err := server.New(server.Config{
		Auth: handshake.AuthConfig{Methods: []string{handshake.MethodAnonymous}}, // without it, nobody enters without a credential
	}, ns)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io.Handler())
	mux.Handle("/", http.FileServerFS(files))

	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return errors.Join(err, io.Shutdown(ctx))
	}
	slog.Info("listening", slog.Any("addr", ln.Addr()))
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(ln) }()

	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err = errors.Join(io.Shutdown(ending), web.Shutdown(ending))
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
