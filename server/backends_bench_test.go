package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// BenchmarkPublish compares a broadcast of a program with the same one through the
// interface for back ends, one operation in a request and a hundred. An operation of
// the benchmark is one broadcast to a room, written to its receivers.
func BenchmarkPublish(b *testing.B) {
	for _, receivers := range []int{1, 100} {
		ns := namespaces.New("/app")
		ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { _ = s.Join("room") })
		addr := benchServer(b, ns)
		for range receivers {
			listens(b, addr)
		}
		for ns.In("room").Count() < receivers {
			runtime.Gosched()
		}
		name := func(what string) string { return fmt.Sprintf("%s/receivers=%d", what, receivers) }
		b.Run(name("broadcast"), func(b *testing.B) {
			for range b.N {
				if err := ns.In("room").Emit("e", map[string]int{"v": 2}); err != nil {
					b.Fatal(err)
				}
			}
		})
		const one = `{"namespace":"/app","rooms":["room"],"event":"e","data":{"v":2}}`
		b.Run(name("api"), func(b *testing.B) {
			for range b.N {
				publishes(b, addr, one)
			}
		})
		b.Run(name("api of 100"), func(b *testing.B) {
			const many = 100
			list := "[" + strings.Repeat(one+",", many-1) + one + "]"
			for i := 0; i < b.N; i += many {
				publishes(b, addr, list)
			}
		})
	}
}

func benchServer(b *testing.B, ns *namespaces.Namespace) string {
	b.Helper()
	s, err := server.New(server.Config{API: everything(), JWT: handshake.JWTConfig{HMACSecret: secret}}, ns)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	return ln.Addr().String()
}

// listens enters and reads until the connection ends.
func listens(b *testing.B, addr string) {
	b.Helper()
	c, err := wiretest.Dial(b.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: secret}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := signer.Sign(handshake.TokenSpec{Subject: "ada", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := wiretest.Enter(c, "/app", `{"token":"`+token+`"}`); err != nil {
		b.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		ws, _ := c.(*wiretest.WebSocket)
		_, _ = io.Copy(io.Discard, ws.Conn())
	})
	b.Cleanup(func() {
		c.Drop()
		reading.Wait()
	})
}

func publishes(b *testing.B, addr, body string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+addr+"/api/v1/publish", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header = backEnd.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status)
	}
}
