package scenario

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"gatehouse/bench/client"
	"gatehouse/bench/measure"
)

// aftermath is how long a server may finish what a run left it to do before its
// processor time is read.
const aftermath = 150 * time.Millisecond

// Rig is a server under measurement and what is needed to drive it.
type Rig struct {
	Addr     netip.AddrPort
	TLS      *tls.Config // nil: the server speaks plain HTTP
	Protocol client.Protocol
	PID      int
	Others   []Node        // nodes beside that one, when the server is several: clients take turns among all
	Started  time.Duration // how long the server took until it listened
	Loop     *client.Loop
	Sign     func(user string) string // gives a user's token
	Patience time.Duration            // how long a silent server is waited for

	// Attach is a shell command that runs beside each measured section, told by
	// the variables PID and SECTION, and is interrupted at its end. Empty: none.
	Attach string
}

// Node is one process of a server that is several.
type Node struct {
	Addr netip.AddrPort
	PID  int
}

// addrOf returns the address of the node whose turn a client is.
func (r *Rig) addrOf(client int) netip.AddrPort {
	if turn := client % (len(r.Others) + 1); turn > 0 {
		return r.Others[turn-1].Addr
	}
	return r.Addr
}

// used returns the processor time that all nodes have used so far.
func (r *Rig) used() (time.Duration, error) {
	sum, err := measure.CPU(r.PID)
	for _, n := range r.Others {
		more, failed := measure.CPU(n.PID)
		sum, err = sum+more, errors.Join(err, failed)
	}
	return sum, err
}

// config says how a user connects.
func (r *Rig) config(namespace, user string) client.Config {
	return client.Config{Addr: r.Addr, TLS: r.TLS, Protocol: r.Protocol, Namespace: namespace, Token: r.Sign(user)}
}

// spent returns the processor time that the server, all its nodes, used for the work.
func (r *Rig) spent(section string, work func() error) (time.Duration, error) {
	detach, err := r.attach(section)
	if err != nil {
		return 0, err
	}
	defer detach()
	before, err := r.used()
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	if err := r.Loop.For(aftermath); err != nil {
		return 0, err
	}
	after, err := r.used()
	return after - before, err
}

// attach starts the attached command and gives what ends it.
func (r *Rig) attach(section string) (func(), error) {
	if r.Attach == "" {
		return func() {}, nil
	}
	cmd := exec.Command("sh", "-c", "exec "+r.Attach)
	cmd.Env = append(os.Environ(), fmt.Sprintf("PID=%d", r.PID), "SECTION="+section)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	if err := r.Loop.For(300 * time.Millisecond); err != nil { // until it is attached
		return nil, err
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	}, nil
}

// per returns the microseconds that one of n pieces of work took.
func per(d time.Duration, n int) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(n)
}
