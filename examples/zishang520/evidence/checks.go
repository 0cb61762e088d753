package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// experiment is what is done with each setup.
type experiment struct {
	client string // path of the burst script
	idle   int    // connections
}

const (
	burst      = 200
	burstRuns  = 3
	connects   = 1000
	pongTries  = 2000
	paced      = 50 // messages whose CPU is measured
	pacedEvery = 50 * time.Millisecond
	settle     = 500 * time.Millisecond // for a crash to show, for memory to come to rest
)

// row is one line of the table: what was done, and what one setup did.
type row struct {
	title string
	check func(ctx context.Context, setup string) (string, error)
}

// table runs all checks against all setups.
func table(ctx context.Context, out io.Writer, e experiment) error {
	rows := []row{
		{fmt.Sprintf("%d messages in a burst, %d runs: arrived, in order?", burst, burstRuns), e.bursts},
		{fmt.Sprintf("%d clients that CONNECT at once when the session is open: answered", connects), connected},
		{"the frame `42`", frame("42")},
		{"the frame `450-`", frame("450-")},
		{"an acknowledgement without arguments, such as `431`", bareAck},
		{fmt.Sprintf("PONGs before the session is open, up to %d connections", pongTries), earlyPongs},
		{"resident KB per idle connection", e.memory},
		{"server CPU per delivered message, µs", e.cpu},
	}
	_, _ = fmt.Fprintf(out, "| | %s |\n|---|%s\n", strings.Join(setups(), " | "), strings.Repeat("---|", len(setups())))
	for _, r := range rows {
		cells := []string{r.title}
		for _, setup := range setups() {
			cell, err := r.check(ctx, setup)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.title, setup, err)
			}
			cells = append(cells, cell)
		}
		_, _ = fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
	return nil
}

// bursts sends bursts between two JavaScript clients over WebSocket.
func (e experiment) bursts(ctx context.Context, setup string) (string, error) {
	var results []string
	for range burstRuns {
		c, err := startChild(ctx, setup)
		if err != nil {
			return "", err
		}
		result, err := e.burst(ctx, c.addr)
		c.stop()
		if err != nil {
			return "", err
		}
		results = append(results, result)
	}
	return strings.Join(results, "; "), nil
}

func (e experiment) burst(ctx context.Context, addr string) (string, error) {
	out, err := exec.CommandContext(ctx, "node", e.client, "http://"+addr, fmt.Sprint(burst)).Output()
	if err != nil {
		return "", fmt.Errorf("the JavaScript client: %w", err)
	}
	var got struct {
		Arrived int
		Ordered bool
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("the JavaScript client: %w", err)
	}
	order := "in order"
	if !got.Ordered {
		order = "mixed up"
	}
	return fmt.Sprintf("%d, %s", got.Arrived, order), nil
}

// connected counts the sessions whose CONNECT is answered.
func connected(ctx context.Context, setup string) (string, error) {
	c, err := startChild(ctx, setup)
	if err != nil {
		return "", err
	}
	defer c.stop()
	answered := 0
	for range connects {
		r, err := dial(ctx, c.addr)
		if err != nil {
			return "", err
		}
		if r.enter() == nil {
			answered++
		}
		_ = r.Close()
	}
	return fmt.Sprint(answered), nil
}

// frame sends one text frame from a connected client.
func frame(text string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, setup string) (string, error) {
		return afterwards(ctx, setup, func(client raw) error { return client.send(text) })
	}
}

// bareAck answers a question of the server with nothing at all.
func bareAck(ctx context.Context, setup string) (string, error) {
	return afterwards(ctx, setup, func(client raw) error {
		if err := client.send(`42["ask"]`); err != nil {
			return err
		}
		question, err := client.until("42", joinLimit)
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(question, "42"), "[")
		return client.send("43" + id)
	})
}

// afterwards says whether the process lives when a client has done something.
func afterwards(ctx context.Context, setup string, do func(raw) error) (string, error) {
	c, err := startChild(ctx, setup)
	if err != nil {
		return "", err
	}
	defer c.stop()
	client, err := join(ctx, c.addr)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := do(client); err != nil {
		return "", err
	}
	return verdict(c, ""), nil
}

func earlyPongs(ctx context.Context, setup string) (string, error) {
	c, err := startChild(ctx, setup)
	if err != nil {
		return "", err
	}
	defer c.stop()
	pongs := manyPongs()
	for try := range pongTries {
		if err := earlyPong(ctx, c.addr, pongs); err != nil || !c.alive(0) {
			return verdict(c, fmt.Sprintf(" at connection %d", try+1)), nil
		}
	}
	return verdict(c, ""), nil
}

// verdict says whether the process lives.
func verdict(c *child, when string) string {
	if c.alive(settle) {
		return "alive"
	}
	return "process ends" + when + ": " + c.last
}

// memory measures what idle admitted connections hold.
func (e experiment) memory(ctx context.Context, setup string) (string, error) {
	var cell string
	err := e.withClients(ctx, setup, func(c *child, before int, _ *atomic.Int64, _ raw) error {
		after, err := c.rss()
		cell = fmt.Sprintf("%.1f", float64(after-before)/float64(e.idle)/1024)
		return err
	})
	return cell, err
}

// cpu measures paced broadcasts to all connections.
func (e experiment) cpu(ctx context.Context, setup string) (string, error) {
	var cell string
	err := e.withClients(ctx, setup, func(c *child, _ int, received *atomic.Int64, sender raw) error {
		before, err := c.cpu()
		if err != nil {
			return err
		}
		ticker := time.NewTicker(pacedEvery)
		defer ticker.Stop()
		for i := range paced {
			if err := sender.send(fmt.Sprintf(`42["chat","message %d of the measurement, about sixty bytes"]`, i)); err != nil {
				return err
			}
			<-ticker.C
		}
		time.Sleep(settle)
		after, err := c.cpu()
		n := received.Load()
		cell = fmt.Sprintf("%.1f (%d of %d delivered)", float64((after-before).Microseconds())/float64(max(n, 1)), n, paced*e.idle)
		return err
	})
	return cell, err
}

// count counts the messages that arrive until the connection ends.
func (r raw) count(received *atomic.Int64) {
	for {
		if _, err := r.until(`42["message"`, time.Minute); err != nil {
			return
		}
		received.Add(1)
	}
}

// withClients opens idle connections and calls then, with the memory before, the
// count of messages that they receive, and one of them.
func (e experiment) withClients(ctx context.Context, setup string, then func(*child, int, *atomic.Int64, raw) error) error {
	c, err := startChild(ctx, setup)
	if err != nil {
		return err
	}
	defer c.stop()
	first, err := join(ctx, c.addr) // what is made once is made now
	if err != nil {
		return err
	}
	defer first.Close()
	time.Sleep(settle)
	before, err := c.rss()
	if err != nil {
		return err
	}
	var received atomic.Int64
	sender := first
	for range e.idle {
		client, err := join(ctx, c.addr)
		if err != nil {
			return err
		}
		defer client.Close()
		sender = client
		go client.count(&received) // ends with its connection
	}
	go first.count(new(atomic.Int64))
	time.Sleep(settle)
	return then(c, before, &received, sender)
}
