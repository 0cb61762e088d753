package backend

import (
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
)

func TestConfigurationsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(*Config)
	}{
		{"no address", "url: is missing", func(c *Config) { c.URL = "" }},
		{"no http", "no http or https URL", func(c *Config) { c.URL = "ftp://example.com" }},
		{"a password in the address", "url: a password does not belong", func(c *Config) { c.URL = "https://a:b@example.com" }},
		{"http to elsewhere", "insecure_http", func(c *Config) { c.URL = "http://example.com" }},
		{"no secret", "secret: is missing", func(c *Config) { c.Secret = "" }},
		{"a secret of another form", `secret: is not "whsec_"`, func(c *Config) { c.Secret = "hunter2" }},
		{"a short secret", "secret: has 3 bytes", func(c *Config) { c.Secret = "whsec_YWJj" }},
		{"a bad old secret", "old_secrets[0]", func(c *Config) { c.OldSecrets = []handshake.Secret{"x"} }},
		{"what nobody can be told", `on: "connected"`, func(c *Config) { c.On = []string{"connected"} }},
		{"a star in the middle", `events: "a*b"`, func(c *Config) { c.Events = []string{"a*b"} }},
		{"a negative limit", "max_in_flight: -1", func(c *Config) { c.MaxInFlight = -1 }},
		{"a long timeout", "timeout: 2m0s", func(c *Config) { c.Timeout = 2 * time.Minute }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{URL: "https://example.com", Secret: testSecret}
			if err := cfg.Check(); err != nil {
				t.Fatal(err)
			}
			c.change(&cfg)
			if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestABackEndHandlesTheEventsThatItsPatternsName(t *testing.T) {
	c := Config{Events: []string{"order:*", "ping"}}
	for event, want := range map[string]bool{"order:create": true, "order:": true, "ping": true, "pings": false, "orders": false} {
		if c.Handles(event) != want {
			t.Errorf("Handles(%q) is %v", event, !want)
		}
	}
	if !(Config{}).Handles("anything") {
		t.Error("without patterns all events are handled")
	}
}
