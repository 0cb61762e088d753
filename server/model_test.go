package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/server"
)

// model describes a session as simply as possible. After each step the machine
// checks that the client has seen exactly what the model predicts.
type model struct {
	over     bool              // the connection has ended
	in       map[string]string // namespaces that the client is in, with its socket's id
	heard    map[string]bool   // namespaces that the client has sent packets to since it entered them
	departed map[string]bool   // namespaces that the server has ended or refused: packets for them are ignored
	awaiting string            // the namespace of a binary event whose attachment is missing; "" for none
	probe    probeState
}

type probeState int

const (
	noProbe probeState = iota
	openProbing
	answeredProbe
)

// machine runs steps against a server and the model.
type machine struct {
	t     *testing.T
	rig   *modelRig
	p     *puppet
	model model
	born  []string // sockets that were admitted
	trace []string
	turn  int
}

// modelRig is the server of the model tests.
type modelRig struct {
	addr  string
	token string
	names map[string]*namespaces.Namespace

	mu   sync.Mutex // guards what follows
	gone map[string]int
	note map[string]int // the last note of each socket
	some chan struct{}  // closed when gone changes
}

// modelNames are the namespaces of the model.
var modelNames = []string{"/room", "/other"}

// newModelRig starts a server without the limits that many refusals would reach.
func newModelRig(t testing.TB) *modelRig {
	t.Helper()
	m := &modelRig{names: map[string]*namespaces.Namespace{}, gone: map[string]int{}, note: map[string]int{}, some: make(chan struct{})}
	var defs []namespaces.Definition
	for _, name := range modelNames {
		ns := namespaces.New(name)
		namespaces.On(ns, "echo", func(_ context.Context, _ *namespaces.Socket, args packet.Args) (packet.Args, error) { return args, nil })
		namespaces.Handle(ns, "note", func(_ context.Context, s *namespaces.Socket, n int) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.note[s.ID()] = n
			return nil
		})
		ns.OnDisconnect(m.left)
		m.names[name] = ns
		defs = append(defs, ns)
	}
	never := handshake.ThrottleConfig{Free: 1 << 30}
	cfg := server.Config{
		JWT:         handshake.JWTConfig{HMACSecret: secret},
		Engine:      server.Engine{Limits: engine.Limits{CloseTimeout: 50 * time.Millisecond}},
		Handshake:   server.Handshake{ConnectLimits: namespaces.ConnectLimits{MaxConnects: 1 << 30, MaxRefusals: 1 << 30, ConnectTimeout: overall, AdmitTimeout: overall}},
		Connections: server.ConnectionLimits{AddressFailures: never, ConnectionFailures: never},
	}
	m.run(t, cfg, defs)
	return m
}

func (m *modelRig) left(_ context.Context, s *namespaces.Socket, _ string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone[s.ID()]++
	close(m.some)
	m.some = make(chan struct{})
}

// ends waits until each of the sockets has ended, and checks that each did so
// once.
func (m *modelRig) ends(t *testing.T, sockets []string) {
	t.Helper()
	limit := time.After(overall)
	for {
		m.mu.Lock()
		missing := slices.IndexFunc(sockets, func(id string) bool { return m.gone[id] == 0 })
		twice := slices.IndexFunc(sockets, func(id string) bool { return m.gone[id] > 1 })
		some := m.some
		m.mu.Unlock()
		switch {
		case twice >= 0:
			t.Fatal("a socket ended twice")
		case missing < 0:
			return
		}
		select {
		case <-some:
		case <-limit:
			t.Fatal("a socket does not end")
		}
	}
}

// newMachine connects.
func (m *modelRig) newMachine(t *testing.T, transport string) *machine {
	return &machine{t: t, rig: m, p: newPuppet(t, m.addr, transport), model: model{in: map[string]string{}, heard: map[string]bool{}, departed: map[string]bool{}}}
}

// fail fails the test and lists the client's steps so far.
func (m *machine) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nover %v, after:\n  %s", fmt.Sprintf(format, args...), m.p, strings.Join(m.trace, "\n  "))
}

// sees expects the next packets.
func (m *machine) sees(packets ...string) {
	m.t.Helper()
	for _, want := range packets {
		if got := m.p.next(); got != want {
			m.fail("got %.300q, want %.300q", got, want)
		}
	}
}

// ends expects the connection to end, without another packet.
func (m *machine) ends() {
	m.t.Helper()
	m.sees(finished)
	m.model.over = true
}

// says sends packets. A text while an attachment is missing ends the connection.
func (m *machine) says(packets ...string) (ended bool) {
	m.t.Helper()
	m.trace = append(m.trace, fmt.Sprintf("%.200q", packets))
	m.p.send(packets...)
	for _, p := range packets {
		if m.model.awaiting != "" && strings.HasPrefix(p, "4") {
			m.ends()
			return true
		}
	}
	return false
}

// barrier checks that nothing else has come: the server answers a CONNECT to
// an unknown namespace at once, and in order.
func (m *machine) barrier() {
	m.t.Helper()
	if m.model.over || m.model.awaiting != "" {
		return
	}
	m.p.send("40/nowhere,")
	m.sees(`44/nowhere,{"message":"Invalid namespace"}`)
}

// addressed returns the effect of a packet for a namespace: the socket takes it,
// it is ignored, or it ends the connection.
func (m *machine) addressed(ns string, taken func()) {
	m.t.Helper()
	switch {
	case m.model.in[ns] != "":
		m.model.heard[ns] = true
		taken()
	case !m.model.departed[ns]:
		m.ends()
	}
}

// socket returns the server's side of the client in a namespace, or nil.
func (m *machine) socket(ns string) *namespaces.Socket {
	s, _ := m.rig.names[ns].Socket(m.model.in[ns])
	return s
}

// step takes one step, if the model predicts its effect, and checks the
// server against it.
func (m *machine) step(b byte) {
	m.t.Helper()
	if m.model.over {
		return
	}
	m.turn++
	ns := modelNames[int(b>>7)]
	s := modelSteps[int(b&0x7f)%len(modelSteps)]
	m.trace = append(m.trace, s.name+" "+ns)
	s.do(m, ns)
	m.barrier()
}

// finish leaves, and checks that every socket ended once and that the server
// serves the next client.
func (m *machine) finish() {
	m.t.Helper()
	if !m.model.over {
		m.model.awaiting = ""
		m.p.send("1")
		if m.p.main != nil {
			m.p.main.Drop()
		}
	}
	m.p.release()
	m.rig.ends(m.t, m.born)
	honest := m.rig.newMachine(m.t, "websocket")
	connectGood(honest, "/room")
	honest.says(`42/room,1["echo","hi"]`)
	honest.sees(`43/room,1["hi"]`)
	honest.p.release()
	m.rig.ends(m.t, honest.born)
}

// FuzzSteps lets a client take the steps that the input encodes, legal or not,
// over a transport that it encodes, and checks the server against the model.
func FuzzSteps(f *testing.F) {
	for n := range modelSteps {
		f.Add([]byte{0, byte(n), 0, byte(n) | 0x80, byte(n)}, n%2 == 0)
	}
	upgrade := []byte{stepCalled("CONNECT"), stepCalled("opens a probe"), stepCalled("2probe"), stepCalled("event"), stepCalled("5")}
	f.Add(append(upgrade, stepCalled("event"), stepCalled("the server closes")), false)
	rig := newModelRig(f)
	f.Fuzz(func(t *testing.T, steps []byte, websocket bool) {
		transport := "polling"
		if websocket {
			transport = "websocket"
		}
		rig.walk(t, transport, steps[:min(len(steps), 60)])
	})
}

func (m *modelRig) walk(t *testing.T, transport string, steps []byte) {
	t.Helper()
	w := m.newMachine(t, transport)
	for _, b := range steps {
		w.step(b)
	}
	w.finish()
}

// TestTheServerKeepsToTheModel is a run of FuzzSteps that is the same each time.
func TestTheServerKeepsToTheModel(t *testing.T) {
	rig := newModelRig(t)
	dice := rand.New(rand.NewPCG(1, 2)) // repeatable, not secret
	walks := 150
	if testing.Short() {
		walks = 40
	}
	for n := range walks {
		steps := []byte{stepCalled("CONNECT")}
		for range 5 + dice.IntN(25) {
			steps = append(steps, byte(dice.UintN(256)))
		}
		if n%3 == 0 { // an upgrade, with something between its steps
			for i, name := range []string{"opens a probe", "2probe", "5"} {
				steps = slices.Insert(steps, 1+i+i*dice.IntN(2), stepCalled(name))
			}
		}
		rig.walk(t, []string{"polling", "websocket"}[min(n%3, 1)], steps)
	}
}

// stepCalled returns the byte of a step.
func stepCalled(name string) byte {
	return byte(slices.IndexFunc(modelSteps, func(s modelStep) bool { return s.name == name })) // there are few
}

// errEnded is the error of a server's request when its client ends.
var errEnded = errors.New("ended")

// run serves until the test ends.
func (m *modelRig) run(t testing.TB, cfg server.Config, defs []namespaces.Definition) {
	t.Helper()
	s, err := server.New(cfg, defs...)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = ln.Addr().String()
	signer, err := handshake.NewSigner(cfg.JWT, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.token, _, err = signer.Sign(handshake.TokenSpec{Subject: "ada", TTL: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}
