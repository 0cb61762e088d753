package settings

import (
	"strings"
	"testing"
	"time"
)

type Limits struct {
	Events int           `koanf:"events" default:"10" max:"100" doc:"events"`
	Hard   int           `koanf:"hard_events" derived:"twice events" max:"none" atleast:"Events" doc:"the end"`
	Wait   time.Duration `koanf:"wait" default:"2s" atmost:"Longest" doc:"the wait"`
	Hidden int           `koanf:"-" default:"1KiB" doc:"not in the file"`
}

func (l *Limits) Derive() {
	if l.Hard == 0 {
		l.Hard = 2 * l.Events
	}
}

type config struct {
	Queue struct {
		Limits  `koanf:",squash"`
		Longest time.Duration `koanf:"longest" default:"1m" max:"24h" doc:"the longest wait"`
		Word    string        `koanf:"word" default:"on" oneof:"on,off" doc:"a choice"`
	} `koanf:"queue"`
	Plain string `koanf:"plain"`
}

func filled(change func(*config)) config {
	var c config
	change(&c)
	Fill(&c)
	return c
}

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	q := filled(func(c *config) { c.Queue.Events = 7 }).Queue
	if q.Events != 7 || q.Hard != 14 || q.Wait != 2*time.Second || q.Hidden != 1024 || q.Longest != time.Minute || q.Word != "on" {
		t.Errorf("%+v", q)
	}
}

func TestBoundsHold(t *testing.T) {
	for want, change := range map[string]func(*config){
		"": func(*config) {},
		"queue.events: -1 is out of range; write a number from 1 to 100":  func(c *config) { c.Queue.Events, c.Queue.Hard = -1, 5 },
		"queue.longest: 25h0m0s is too long; write 24h or less":           func(c *config) { c.Queue.Longest = 25 * time.Hour },
		"queue.events: 101 is out of range; write a number from 1 to 100": func(c *config) { c.Queue.Events = 101 },
		"queue.hard_events: 5 is below queue.events (10); make it larger": func(c *config) { c.Queue.Hard = 5 },
		"queue.wait: 1µs is too short; write a duration such as 10s":      func(c *config) { c.Queue.Wait = time.Microsecond },
		`queue.word: "x" is unknown; write one of on, off`:                func(c *config) { c.Queue.Word = "x" },
	} {
		got := ""
		if err := Check(filled(change), Keys); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := Check(filled(func(c *config) { c.Queue.Hidden, c.Queue.Hard = -1, 5 }), Fields); err == nil ||
		!strings.Contains(err.Error(), "Queue.Hidden: -1") || !strings.Contains(err.Error(), "Queue.Hard: 5 is below Queue.Events") {
		t.Errorf("by fields: %v", err)
	}
	if err := Check(filled(func(c *config) { c.Queue.Hidden = -1 }), Keys); err != nil {
		t.Errorf("what is in no file: %v", err)
	}
}
