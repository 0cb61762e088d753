package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const healthTimeout = 5 * time.Second

// healthCommand asks a running server whether it is ready.
type healthCommand struct {
	configFile `embed:""`

	Addr string `placeholder:"HOST:PORT" help:"Address of the server; default: the configured one."`
}

// Run returns nil when the server takes new connections.
func (c *healthCommand) Run(p *program) error {
	addr := c.Addr
	if addr == "" {
		s, err := load(c.File, p.env, nil)
		if err != nil {
			return err
		}
		addr = s.Addr
	}
	url, err := readyURL(addr)
	if err != nil {
		return err
	}
	return p.askReady(url)
}

// readyURL turns a listening address into one to dial: a server that listens
// on all addresses is asked on this machine.
func readyURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("--addr: %q is not HOST:PORT", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func (p *program) askReady(url string) error {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// Without a proxy: the question is about this server, not about the way.
	client := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at %s", req.URL.Host)
	}
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s %s", resp.Status, body)
	}
	_, _ = fmt.Fprintln(p.stdout, "ready")
	return nil
}
