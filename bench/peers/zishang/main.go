// Command zishang is a peer of the comparison: the load tool's surfaces on
// github.com/zishang520/socket.io/v2, default options.
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	if err := run(os.Getenv("BENCH_HMAC_SECRET")); err != nil {
		log.Fatal(err)
	}
}

func run(secret string) error {
	if secret == "" {
		return errors.New("BENCH_HMAC_SECRET is not set")
	}
	io := socket.NewServer(nil, nil)
	mountChat(io.Of("/chat", nil).Use(admit([]byte(secret))))
	mountEcho(io.Of("/echo", nil).Use(admit([]byte(secret))))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening", ln.Addr())
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io.ServeHandler(nil))
	if cert := os.Getenv("BENCH_TLS_CERT"); cert != "" {
		return http.ServeTLS(ln, mux, cert, os.Getenv("BENCH_TLS_KEY"))
	}
	return http.Serve(ln, mux)
}

func mountEcho(nsp socket.Namespace) {
	_ = nsp.On("connection", func(clients ...any) {
		s := clients[0].(*socket.Socket)
		_ = s.On("echo", func(args ...any) {
			last := len(args) - 1
			if ack, ok := args[last].(socket.Ack); ok {
				ack(args[:last], nil)
			}
		})
	})
}
