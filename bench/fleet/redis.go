package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const redisLimit = 10 * time.Second // until Redis takes connections

var errRedis = errors.New("answer of Redis not understood")

// Redis is a server of its own, without files.
type Redis struct {
	Addr string
	PID  int

	cmd    *exec.Cmd
	conn   net.Conn
	reader *bufio.Reader
}

// StartRedis starts redis-server on a free port of the loopback. It writes its
// files, if any, into the folder.
func StartRedis(ctx context.Context, folder string) (*Redis, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", folder,
		"--maxmemory-policy", "noeviction", "--logfile", "redis.log")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	r := &Redis{Addr: addr, PID: cmd.Process.Pid, cmd: cmd}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if r.conn, err = net.Dial("tcp", addr); err == nil {
			break
		}
		if time.Since(start) > redisLimit {
			r.Stop()
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	r.reader = bufio.NewReader(r.conn)
	return r, nil
}

// Calls returns how often each command has been carried out, those of scripts
// included, by name in lower case.
func (r *Redis) Calls() (map[string]int, error) {
	text, err := r.info("commandstats")
	if err != nil {
		return nil, err
	}
	return parseCalls(text)
}

// info asks for a section of INFO, which comes as one bulk string (RESP2).
func (r *Redis) info(section string) (string, error) {
	if err := r.conn.SetDeadline(time.Now().Add(redisLimit)); err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	if _, err := fmt.Fprintf(r.conn, "INFO %s\r\n", section); err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	head, err := r.reader.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	size, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(head, "$")))
	if err != nil || size < 0 {
		return "", fmt.Errorf("%w: %q", errRedis, head)
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r.reader, body); err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	return string(body[:size]), nil
}

// parseCalls reads lines such as cmdstat_xadd:calls=21,usec=175,….
func parseCalls(text string) (map[string]int, error) {
	calls := map[string]int{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
		if !ok {
			continue
		}
		count, _, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", errRedis, line)
		}
		calls[strings.TrimPrefix(name, "cmdstat_")] = n
	}
	return calls, nil
}

// Stop ends the server and waits until it is gone.
func (r *Redis) Stop() {
	if r.conn != nil {
		_ = r.conn.Close()
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// freeAddr returns an address of the loopback that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
