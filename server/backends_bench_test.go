package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// BenchmarkPublish compares a broadcast from a handler, which a client asks for and which is acknowledged, with the same
// one through the interface for back ends: one operation in a request, with and without Idempotency-Key, and a hundred.
// An operation of the benchmark is one broadcast to a room, written to its receivers. cpu-µs/op is the processor time of
// the whole process, clients included: unlike ns/op it is the same on a busy machine.
func BenchmarkPublish(b *testing.B) {
	for _, receivers := range []int{1, 100} {
		ns := namespaces.New("/app")
		ns.OnConnect(func(_ context.Context, s *namespaces.Socket) {
			if s.Identity().Subject == "ada" {
				_ = s.Join("room")
			}
		})
		namespaces.On(ns, "say", func(_ context.Context, s *namespaces.Socket, in map[string]int) (namespaces.None, error) {
			return namespaces.None{}, s.To("room").Emit("e", in)
		})
		addr := benchServer(b, ns)
		for range receivers {
			listens(b, addr)
		}
		for ns.In("room").Count() < receivers {
			runtime.Gosched()
		}
		run := func(what string, one func(b *testing.B)) {
			b.Run(fmt.Sprintf("%s/receivers=%d", what, receivers), func(b *testing.B) {
				before := cpuTime(b)
				one(b)
				b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
		run("broadcast", func(b *testing.B) {
			for range b.N {
				if err := ns.In("room").Emit("e", map[string]int{"v": 2}); err != nil {
					b.Fatal(err)
				}
			}
		})
		run("handler", func(b *testing.B) {
			c := enters(b, addr, "bob")
			for range b.N {
				if err := c.Send(`42/app,1["say",{"v":2}]`); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
		const one = `{"namespace":"/app","rooms":["room"],"event":"e","data":{"v":2}}`
		run("api", func(b *testing.B) {
			p := newPublisher(b, addr)
			for range b.N {
				p.publishes(b, one, "")
			}
		})
		run("api with a key", func(b *testing.B) {
			p := newPublisher(b, addr)
			for i := range b.N {
				p.publishes(b, one, "Idempotency-Key: "+rand.Text()+strconv.Itoa(i)+"\r\n")
			}
		})
		run("api of 100", func(b *testing.B) {
			const many = 100
			p := newPublisher(b, addr)
			list := "[" + strings.Repeat(one+",", many-1) + one + "]"
			for i := 0; i < b.N; i += many {
				p.publishes(b, list, "")
			}
		})
	}
}

// cpuTime is the processor time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func benchServer(b *testing.B, ns *namespaces.Namespace) string {
	b.Helper()
	keys := everything()
	keys.Keys[0].Rate = 1_000_000
	s, err := server.New(server.Config{API: keys, JWT: handshake.JWTConfig{HMACSecret: secret}}, ns)
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

func enters(b *testing.B, addr, subject string) wiretest.Client {
	b.Helper()
	c, err := wiretest.Dial(b.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Drop)
	signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: secret}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := signer.Sign(handshake.TokenSpec{Subject: subject, TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := wiretest.Enter(c, "/app", `{"token":"`+token+`"}`); err != nil {
		b.Fatal(err)
	}
	return c
}

// listens enters and reads until the connection ends.
func listens(b *testing.B, addr string) {
	b.Helper()
	c := enters(b, addr, "ada")
	var reading sync.WaitGroup
	reading.Go(func() {
		ws, _ := c.(*wiretest.WebSocket)
		_, _ = io.Copy(io.Discard, ws.Conn)
	})
	b.Cleanup(func() {
		c.Drop()
		reading.Wait()
	})
}

// publisher is a back end with one connection and the least of HTTP, so that the server is measured and not the client.
type publisher struct {
	conn net.Conn
	in   *bufio.Reader
}

func newPublisher(b *testing.B, addr string) *publisher {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return &publisher{conn, bufio.NewReader(conn)}
}

func (p *publisher) publishes(b *testing.B, body, header string) {
	b.Helper()
	_, err := fmt.Fprintf(p.conn, "POST /api/v1/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		backendSecret, len(body), header, body)
	if err != nil {
		b.Fatal(err)
	}
	length := 0
	for first := true; ; first = false {
		line, err := p.in.ReadSlice('\n')
		switch {
		case err != nil:
			b.Fatal(err)
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			b.Fatalf("%s", line)
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len("Content-Length: "):])))
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := p.in.Discard(length); err != nil || length == 0 {
		b.Fatal(length, err)
	}
}
