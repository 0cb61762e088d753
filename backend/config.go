package backend

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/settings"
)

// Config says where a back end is and how it is asked. The zero value of a limit
// is its default.
type Config struct {
	URL string `koanf:"url" yaml:"url"` // https, or http to this machine
	// Secret signs the requests: "whsec_" and the base64 of 24 to 64 bytes, as
	// Standard Webhooks write it.
	Secret handshake.Secret `koanf:"secret" yaml:"secret"`
	// OldSecrets sign, too, while a secret is being replaced: the back end accepts
	// a request when one of its signatures is right.
	OldSecrets   []handshake.Secret `koanf:"old_secrets" yaml:"old_secrets"`
	InsecureHTTP bool               `koanf:"insecure_http" yaml:"insecure_http"` // http to another machine

	Events []string `koanf:"events" yaml:"events"` // event names that it handles; a trailing * stands for any text; empty means all
	On     []string `koanf:"on" yaml:"on"`         // which of connect, disconnect, occupied and vacated it is told about

	Timeout     time.Duration `koanf:"timeout" yaml:"timeout" default:"5s" max:"1m" doc:"time limit of one request"`
	MaxInFlight int           `koanf:"max_in_flight" yaml:"max_in_flight" default:"64" max:"4096" doc:"requests at once; more wait"`
	AnswerBytes int64         `koanf:"answer_bytes" yaml:"answer_bytes" default:"1MiB" max:"64MiB" unit:"bytes" doc:"the largest answer"`
	Batch       bool          `koanf:"batch" yaml:"batch"` // waiting events go out together, as an array
	BatchSize   int           `koanf:"batch_size" yaml:"batch_size" default:"100" max:"1000" doc:"events in one request, with batch"`
	Backlog     int           `koanf:"backlog" yaml:"backlog" default:"10000" max:"1000000" doc:"events that need no answer, kept while the back end is down"`
	RetryFor    time.Duration `koanf:"retry_for" yaml:"retry_for" default:"10m" max:"24h" doc:"how long one of them is repeated"`
}

// Notices that a back end can be sent besides events.
const (
	OnConnect    = "connect"
	OnDisconnect = "disconnect"
	OnOccupied   = "occupied"
	OnVacated    = "vacated"
)

const (
	secretPrefix = "whsec_"
	shortestKey  = 24 // bytes (Standard Webhooks, "Signature scheme")
	longestKey   = 64
)

func (c Config) withDefaults() Config {
	settings.Fill(&c)
	if !c.Batch {
		c.BatchSize = 1
	}
	return c
}

// Check returns all mistakes in the configuration. Each error begins with the
// key that it is about.
func (c Config) Check() error {
	d := c.withDefaults()
	return errors.Join(c.checkURL(), c.checkSecrets(), c.checkNames(), settings.Check(d, settings.Keys))
}

func (c Config) checkURL() error {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return errors.New("url: is missing; it says where the back end is asked, such as https://app.example.com/realtime")
	case err != nil:
		return fmt.Errorf("url: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("url: %q is no http or https URL", c.URL)
	case u.User != nil:
		return errors.New("url: a password does not belong into a URL; the requests are signed with secret")
	case u.Scheme == "http" && !local(u.Hostname()) && !c.InsecureHTTP:
		return errors.New("url: http to another machine sends the events of users in the clear; use https, or set insecure_http when the network between is trusted")
	}
	return nil
}

// local reports whether a host is this machine.
func local(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (c Config) checkSecrets() error {
	if c.Secret == "" {
		return fmt.Errorf(`secret: is missing; make one with: echo "%s$(openssl rand -base64 32)"`, secretPrefix)
	}
	_, err := keys(c)
	return err
}

// keys are the signing keys, the current one first.
func keys(c Config) ([][]byte, error) {
	var all [][]byte
	for i, secret := range append([]handshake.Secret{c.Secret}, c.OldSecrets...) {
		name := "secret"
		if i > 0 {
			name = fmt.Sprintf("old_secrets[%d]", i-1)
		}
		text, ok := strings.CutPrefix(secret.Reveal(), secretPrefix)
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: is not %q followed by base64", name, secretPrefix)
		}
		if len(key) < shortestKey || len(key) > longestKey {
			return nil, fmt.Errorf("%s: has %d bytes, it must have between %d and %d", name, len(key), shortestKey, longestKey)
		}
		all = append(all, key)
	}
	return all, nil
}

func (c Config) checkNames() error {
	var errs []error
	for _, on := range c.On {
		if !slices.Contains([]string{OnConnect, OnDisconnect, OnOccupied, OnVacated}, on) {
			errs = append(errs, fmt.Errorf("on: %q is none of connect, disconnect, occupied, vacated", on))
		}
	}
	for _, event := range c.Events {
		if name := strings.TrimSuffix(event, "*"); event == "" || strings.Contains(name, "*") {
			errs = append(errs, fmt.Errorf("events: %q is no event name; a * may stand at its end only", event))
		}
	}
	return errors.Join(errs...)
}

// Handles reports whether the back end is asked about events of this name.
func (c Config) Handles(event string) bool {
	if len(c.Events) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Events, func(pattern string) bool {
		if start, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(event, start)
		}
		return event == pattern
	})
}

// Told reports whether the back end is told about connect, disconnect, occupied
// or vacated.
func (c Config) Told(what string) bool { return slices.Contains(c.On, what) }
