package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gatehouse/internal/wiretest"
)

// order tells the attackers' process what to do.
type order struct {
	Scenario, Addr, From string
	Certificate          string // a file; empty: no TLS
	Scale                float64
}

// orderVariable has the order as JSON. The process that finds it attacks until its
// standard input ends.
const orderVariable = "GATEHOUSE_ATTACK_ORDER"

// elsewhere is the address of attackers.
const elsewhere = "127.0.0.2"

// sendAttackers runs the attack in a separate process, as an attack in the process
// of the honest clients would itself slow these down. The priority is low, because
// real attackers do not use the server's processors. It returns when the attack is
// over; the error says which promise the server has broken.
func (s scenario) sendAttackers(ctx context.Context, t *target) error {
	o := order{Scenario: s.name, Addr: t.addr, From: elsewhere, Scale: t.scale}
	if s.near {
		o.From = ""
	}
	if t.secure != nil {
		o.Certificate = filepath.Join(t.dir, "cert.pem")
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd := exec.Command("nice", "-n", "10", self)
	cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	cmd.Stderr = &said
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the attackers: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = life.Close() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

// attackersWork carries out the order in the environment, and reports whether
// there is one. It ends the process when the attack fails.
func attackersWork() bool {
	text, ok := os.LookupEnv(orderVariable)
	if !ok {
		return false
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := obey(ctx, text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

var errNoScenario = errors.New("no such scenario")

func obey(ctx context.Context, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("%s: %w", orderVariable, err)
	}
	t := &target{options: options{scale: o.Scale}, addr: o.Addr, from: o.From}
	if o.Certificate != "" {
		secure, err := wiretest.Trust(o.Certificate)
		if err != nil {
			return err
		}
		t.secure = secure
	}
	for _, s := range scenarios {
		if s.name == o.Scenario {
			return s.attack(ctx, t)
		}
	}
	return fmt.Errorf("%w: %q", errNoScenario, o.Scenario)
}
