package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestMain lets the test's binary be the process of the attackers, too.
func TestMain(m *testing.M) {
	if !attackersWork() {
		os.Exit(m.Run())
	}
}

// TestNobodySpoilsItForOthers is the short form of the kit. It asserts what does
// not depend on the speed of the machine: the server lives and stops in order, its
// memory and files stay within their limits, and no honest client is cut.
func TestNobodySpoilsItForOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("each attack takes a process and some seconds")
	}
	binary := filepath.Join(t.TempDir(), "gatehouse")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "gatehouse/cmd/gatehouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o := options{binary: binary, quiet: 300 * time.Millisecond, attack: time.Second, scale: 0.2}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.holds(t, o) })
		if slices.Contains(alsoUnderTLS, s.name) {
			secure := o
			secure.tls = true
			t.Run(s.name+" over TLS", func(t *testing.T) { s.holds(t, secure) })
		}
	}
}

// alsoUnderTLS are one attack of strangers and one of a user; make attack
// FLAGS=--tls has all of them.
var alsoUnderTLS = []string{"stranger-half-frames", "busy"}

// holds plays a scenario and asserts what it may cost.
func (s scenario) holds(t *testing.T, o options) {
	r, err := s.play(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.cuts > 0 {
		t.Errorf("honest clients were cut or refused %d times, at first %s", r.cuts, r.why)
	}
	if grown := r.grown(); grown > s.memory {
		t.Errorf("the attack added %d MB, at most %d are allowed", grown, s.memory)
	}
	if s.files > 0 && r.peak.files > s.files {
		t.Errorf("%d files were open, at most %d are allowed", r.peak.files, s.files)
	}
	t.Log(r)
}
