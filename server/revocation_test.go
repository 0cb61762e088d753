package server_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/handshake"
	"gatehouse/server"
)

// Newcomers 2: a revocation can be taken back.
func TestNewcomers02_ARevocationCanBeTakenBack(t *testing.T) {
	const key = "a-key-of-operators-a-key-of-operators-a-key"
	r := serve(t, server.Config{Admin: server.Admin{Key: key}}, who("/who")...)
	h := page("", "Authorization", "Bearer "+key, "Content-Type", "application/json")
	auth := `{"token":"` + mintRaw(t, `{"sub":"ada","exp":4000000000}`) + `"}`
	for _, step := range []struct {
		method string
		status int
		then   string
	}{{http.MethodPost, 200, "token_invalid"}, {http.MethodDelete, 200, "in"}, {http.MethodDelete, 404, "in"}} {
		if status, _, answer := r.call(step.method, "/api/v1/revocations", `{"subject":"ada"}`, h); status != step.status {
			t.Errorf("%s: %d %v", step.method, status, answer)
		}
		if got := sendConnect(come(t, r.addr, way{transport: "websocket"}), "/who", auth); got != step.then {
			t.Errorf("after %s: %s", step.method, got)
		}
	}
}

// Attack W5: guests do not fill the store of tickets.
func TestAttackW5_GuestsGetNoTickets(t *testing.T) {
	r := serve(t, server.Config{Auth: handshake.AuthConfig{Methods: []string{"ticket", "token", "anonymous"}}}, who("/who")...)
	if status, _, answer := r.call(http.MethodPost, "/auth/tickets", "", page("")); status != http.StatusForbidden || codeOf(answer) != "forbidden" {
		t.Errorf("a guest: %d %v", status, answer)
	}
}

// Attack W12: an operator is warned.
func TestAttackW12_WhatIsUnsafeIsSaid(t *testing.T) {
	for want, cfg := range map[string]server.Config{
		"trusted_proxies: 0.0.0.0/1": {TrustedProxies: []string{"0.0.0.0/1", "128.0.0.0/1"}},
		"redis.url: the password":    {Redis: server.Redis{URL: "redis://user:hunter22@redis.internal:6379/0"}},
		"admin.key: crosses":         {Admin: server.Admin{Key: "a-key-of-operators-a-key-of-operators-a-key"}},
	} {
		cfg.JWT = handshake.JWTConfig{HMACSecret: secret}
		if all := strings.Join(cfg.Warnings(), "\n"); !strings.Contains(all, want) {
			t.Errorf("no %q in %q", want, all)
		}
	}
}
