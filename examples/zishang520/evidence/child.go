package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a server in a process of its own.
type child struct {
	cmd   *exec.Cmd
	addr  string
	ended chan struct{}
	last  string // what it said last, once ended
}

// startChild runs this program as the server of a setup.
func startChild(ctx context.Context, setup string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "--serve", setup)
	cmd.Env = append(os.Environ(), "GATEHOUSE_JWT_HMAC_SECRET="+rand.Text()+rand.Text())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	c := &child{cmd: cmd, ended: make(chan struct{})}
	lines := bufio.NewReader(stderr)
	if c.addr, err = listening(lines); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	go c.watch(lines)
	return c, nil
}

func listening(lines *bufio.Reader) (string, error) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return "", fmt.Errorf("a server that did not start: %w", err)
		}
		var said struct{ Msg, Addr string }
		if json.Unmarshal(line, &said) == nil && said.Msg == "listening" {
			return said.Addr, nil
		}
	}
}

// watch keeps the reason of a crash and notices the end.
func (c *child) watch(lines *bufio.Reader) {
	defer close(c.ended)
	for {
		line, err := lines.ReadString('\n')
		if c.last == "" && strings.HasPrefix(line, "panic: ") {
			c.last = strings.TrimSpace(line)
		}
		if err != nil {
			break
		}
	}
	_ = c.cmd.Wait() // how it ended is what is looked for, not a fault of this program
}

// alive waits for an end that is under way and reports whether there was none.
func (c *child) alive(patience time.Duration) bool {
	select {
	case <-c.ended:
		return false
	case <-time.After(patience):
		return true
	}
}

// stop ends the server if it has not ended by itself.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if c.alive(5 * time.Second) {
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

// rss returns the resident memory in bytes (proc(5)).
func (c *child) rss() (int, error) {
	fields, err := c.proc("statm")
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(fields[1])
	return pages * os.Getpagesize(), err
}

// cpu returns the time that the process has used, user and system (proc(5)).
func (c *child) cpu() (time.Duration, error) {
	fields, err := c.proc("stat")
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.Atoi(fields[13])
	system, err2 := strconv.Atoi(fields[14])
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

func (c *child) proc(name string) ([]string, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", c.cmd.Process.Pid, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 || name == "stat" && len(fields) < 15 {
		return nil, fmt.Errorf("/proc says %d fields in %s", len(fields), name)
	}
	return fields, nil
}
