package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// holding is what a server holds.
type holding struct {
	Connections, Pending, Sockets, Rooms, Silent int // of /api/v1/stats

	goroutines int
	files      int // open files of the process
	heap       int // bytes in use after a collection
	resident   int // bytes, as the system counts
}

func (h holding) String() string {
	return fmt.Sprintf("%d connections, %d sockets, %d rooms, %d goroutines, %d files, heap %.1f MB, resident %.1f MB",
		h.Connections, h.Sockets, h.Rooms, h.goroutines, h.files, float64(h.heap)/1e6, float64(h.resident)/1e6)
}

// holds asks the server's operators' surface and the system.
func (s *server) holds(ctx context.Context) (h holding, err error) {
	if _, err = s.ask(ctx, "/debug/pprof/heap?gc=1"); err != nil { // collects
		return h, err
	}
	text, err := s.ask(ctx, "/api/v1/stats")
	if err != nil {
		return h, err
	}
	if err = json.Unmarshal([]byte(text), &h); err != nil {
		return h, fmt.Errorf("/api/v1/stats: %w", err)
	}
	metrics, err := s.ask(ctx, "/metrics")
	if err != nil {
		return h, err
	}
	h.goroutines = metric(metrics, "go_goroutines")
	h.heap = metric(metrics, "go_memstats_heap_inuse_bytes")
	pid := strconv.Itoa(s.cmd.Process.Pid)
	if open, err := os.ReadDir("/proc/" + pid + "/fd"); err == nil {
		h.files = len(open)
	}
	if status, err := os.ReadFile("/proc/" + pid + "/status"); err == nil {
		h.resident = 1024 * number(regexp.MustCompile(`VmRSS:\s+(\d+)`), string(status))
	}
	return h, nil
}

func metric(text, name string) int {
	return number(regexp.MustCompile(`(?m)^`+name+` ([0-9.e+]+)$`), text)
}

func number(pattern *regexp.Regexp, text string) int {
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return -1
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return -1
	}
	return int(n)
}

// ask makes a request on a connection of its own, which leaves nothing behind.
func (s *server) ask(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return "", err
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: HTTP %d: %.200s", path, resp.StatusCode, text)
	}
	return string(text), err
}

// goroutines tells what the server's goroutines do.
func (s *server) goroutines(ctx context.Context) string {
	text, err := s.ask(ctx, "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.SplitN(text, "\n", 120)[:], "\n")
}

// heapRoom is what may stay: the histories of the rooms and the nonces, which the
// chat keeps on purpose, and the run-time's own.
const heapRoom = 24 << 20

// rested waits until the server holds no more than before its first client.
func (s *server) rested(ctx context.Context, before holding) (after holding, err error) {
	err = await(ctx, 40*time.Second, func() (bool, error) {
		if after, err = s.holds(ctx); err != nil {
			return false, err
		}
		over := after.Connections+after.Pending+after.Sockets+after.Rooms > 0 ||
			after.goroutines > before.goroutines || after.files > before.files || after.heap > before.heap+heapRoom
		return !over, fmt.Errorf("it held %v, and now %v", before, after)
	})
	if err != nil {
		err = fmt.Errorf("the server does not come to rest: %w\n%s", err, s.goroutines(ctx))
	}
	return after, err
}
