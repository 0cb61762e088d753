package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const healthTimeout = 5 * time.Second

// wantsTLS is net/http's answer to plain HTTP at a TLS listener.
const wantsTLS = "Client sent an HTTP request to an HTTPS server."

// healthCommand asks a running server whether it is ready.
type healthCommand struct {
	configFile `embed:""`

	Addr string `placeholder:"HOST:PORT" help:"Address of the server; default: the configured one, of operators if they have one of their own."`
}

// Run returns nil when the server takes new connections.
func (c *healthCommand) Run(p *program) error {
	s, err := load(c.File, p.env, nil)
	if err != nil {
		return err
	}
	scheme, addr := "http", c.Addr
	switch {
	case addr != "":
	case s.Admin.OnThisMachine():
		addr = s.Admin.Addr // without TLS, and it asks for no client certificate
	default:
		addr = s.Addr
	}
	if s.TLS.CertFile != "" && (addr != s.Admin.Addr || !s.Admin.OnThisMachine()) {
		scheme = "https"
	}
	url, err := readyURL(scheme, addr)
	if err != nil {
		return err
	}
	return p.askReady(url)
}

// readyURL turns a listening address into one to dial: a server that listens
// on all addresses is asked on this machine.
func readyURL(scheme, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("--addr: %q is not HOST:PORT", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func (p *program) askReady(url string) error {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// Without a proxy: the question is about this server, not about the way. Its
	// certificate is for the name that clients know it by; nothing secret is said.
	client := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at %s", req.URL.Host)
	}
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	said := strings.TrimSpace(string(body))
	switch {
	case resp.StatusCode == http.StatusBadRequest && said == wantsTLS:
		return errors.New("the server speaks TLS: give health the server's --config or environment, so that it does too")
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("not ready: %s %s", resp.Status, said)
	}
	_, _ = fmt.Fprintln(p.stdout, "ready")
	return nil
}
