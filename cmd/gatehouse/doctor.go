package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"gatehouse/internal/doctor"
	"gatehouse/server"
)

// doctorCommand looks at a running deployment from outside, as a client would.
type doctorCommand struct {
	configFile `embed:""`

	URL       string `arg:"" placeholder:"URL" help:"Address of the server as clients know it, such as https://rt.example.com."`
	Namespace string `default:"/" placeholder:"NAME" help:"The namespace that the token is for (default ${default})."`
	Token     string `placeholder:"TOKEN" help:"A user's token: to enter the namespace, compare the issuer's clock, and hold idle connections for a heartbeat. Better as GATEHOUSE_TOKEN."`
	CA        string `name:"ca" placeholder:"FILE" help:"Certificate authorities (PEM) to trust besides this machine's."`
	Quick     bool   `help:"Hold no idle connections, which takes up to half a minute."`
	JSON      bool   `name:"json" help:"Print the findings as JSON, one a line."`
}

// envToken is the token of a user; it is no key of the configuration.
const envToken = envPrefix + "TOKEN"

// errIll is the error of a visit that has found a fault.
var errIll = errors.New("some checks have failed; see above")

// Run prints each finding. Exit code 1 is for one that keeps clients from working.
func (c *doctorCommand) Run(p *program) error {
	config, err := c.trust()
	if err != nil {
		return err
	}
	s, err := load(c.File, p.env, nil)
	if err != nil {
		return err
	}
	ill := false
	report := func(f doctor.Finding) {
		ill = ill || f.Verdict == doctor.Fail
		p.printFinding(f, c.JSON)
	}
	cfg := doctor.Config{URL: c.URL, Namespace: c.Namespace, Token: cmp.Or(c.Token, p.env.value(envToken)), Quick: c.Quick, TLS: config}
	if err := doctor.Look(p.ctx, cfg, report); err != nil {
		return err
	}
	if s.Redis.URL != "" {
		report(redisFinding(p.ctx, s.Redis))
	}
	if ill {
		return errIll
	}
	return nil
}

func (p *program) printFinding(f doctor.Finding, asJSON bool) {
	if asJSON {
		line, _ := json.Marshal(f) // never fails
		_, _ = fmt.Fprintln(p.stdout, string(line))
		return
	}
	_, _ = fmt.Fprintf(p.stdout, "%-5s %s: %s\n", f.Verdict, f.Check, f.Said)
	for _, line := range f.Do {
		_, _ = fmt.Fprintf(p.stdout, "      - %s\n", line)
	}
}

// trust returns the settings of TLS; nil means those of the machine.
func (c *doctorCommand) trust() (*tls.Config, error) {
	if c.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: %s has no certificate", c.CA)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// redisFinding reports whether the Redis of the configuration takes a write.
func redisFinding(ctx context.Context, cfg server.Redis) doctor.Finding {
	if err := writeRedis(ctx, cfg); err != nil {
		return doctor.Finding{Check: "Redis", Verdict: doctor.Fail, Said: err.Error(), Do: []string{
			"redis.url: does it name a primary that this machine reaches, with a user and a password that it knows?",
			"its user needs what docs/cluster.md lists; its memory maxmemory-policy noeviction",
		}}
	}
	return doctor.Finding{Check: "Redis", Verdict: doctor.OK, Said: "answers and takes writes"}
}

// writeRedis keeps a key below redis.prefix for a second.
func writeRedis(ctx context.Context, cfg server.Redis) error {
	client, err := cfg.Dial(5 * time.Second)
	if err != nil {
		return fmt.Errorf("nobody answers as it should: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.Do(ctx, client.B().Set().Key(cfg.Prefix+"doctor:"+rand.Text()).Value("1").ExSeconds(1).Build()).Error(); err != nil {
		return fmt.Errorf("it takes no writes: %w", err)
	}
	return nil
}
