// Command floor shows the least cost of a server: it speaks as much of Socket.IO
// as the load tool needs for a room, checks nothing, makes the frame of a message
// once, and writes it to all members in one loop, by write(2) or by io_uring.
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
)

func main() {
	if err := run(os.Getenv("BENCH_FLOOR")); err != nil {
		log.Fatal(err)
	}
}

func run(mode string) error {
	r := &room{}
	switch mode {
	case "write":
		r.write = writeAll
	case "io_uring":
		ring, err := newRing()
		if err != nil {
			return err
		}
		r.write = ring.writeAll
	default:
		return errors.New("BENCH_FLOOR is neither write nor io_uring")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening", ln.Addr())
	for {
		conn, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			if err := r.serve(conn.(*net.TCPConn)); err != nil {
				log.Print(err)
			}
		}()
	}
}

// room is the only room that there is.
type room struct {
	write func(members []int, frame []byte) error

	mu      sync.Mutex // guards members, and the order of messages
	members []int      // their file descriptors
}

func (r *room) join(fd int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = append(r.members, fd)
}

func (r *room) say(frame []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.write(r.members, frame)
}
