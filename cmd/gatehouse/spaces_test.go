package main

import (
	"strings"
	"testing"
	"time"
)

const routed = `
jwt: {hmac_secret: "a-secret-of-the-tests-that-is-long-enough"}
namespaces:
  /app:
    methods: [token]
    admit: '"staff" in scopes || has(claims.org)'
    join: ["user:{sub}", "org:{claims.org}"]
    rooms:
      - match: "doc:{org}:{id}"
        join: 'org == claims.org'
        send: 'claims.role == "editor"'
        events: ["cursor", "edit:*"]
        history: {messages: 200, bytes: 1MiB, age: 24h}
        presence: true
        limits: {events: 20/s, burst: 40, bytes: 256KiB/s, over: slow, user: {events: 50/s}, event: {cursor: {bytes: 1KiB/s}}}
    relay:
      - events: ["drawing", "chat message"]
        allow: '!has(claims.muted)'
        to: others
        volatile: true
    backend: app
backends:
  app:
    url: https://app.example.com/realtime
    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
    events: ["order:*"]
    on: [connect, disconnect]
    timeout: 2s
`

func TestNamespacesComeFromTheFile(t *testing.T) {
	s, err := load(configured(t, routed), environment{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	room := s.Namespaces["/app"].Rooms[0]
	if room.History.Bytes != 1<<20 || room.History.Age != 24*time.Hour || room.Limits.Events != 20 || room.Limits.Bytes != 256<<10 || s.Backends["app"].Timeout != 2*time.Second {
		t.Errorf("read %+v, %+v", room, s.Backends)
	}
	if room.Limits.User.Events != 50 || room.Limits.Event["cursor"].Bytes != 1<<10 {
		t.Errorf("limits %+v", room.Limits)
	}
	text, err := s.yaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"namespaces:", "doc:{org}:{id}", "url: https://app.example.com/realtime"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("config print has no %q", want)
		}
	}
	if strings.Contains(string(text), "whsec_") {
		t.Error("config print shows the secret of a back end")
	}
}

func TestMistakesInNamespacesNameTheirKeys(t *testing.T) {
	for _, c := range []struct{ replace, by, says string }{
		{"admit:", "admitt:", `there is no key "admitt" here`},
		{"events: 20/s", "events: 20/day", `"20/day" is no rate`},
		{"bytes: 1MiB", "bytes: much", `"much" is no size`},
		{"org == claims.org", "org = claims.org", "namespaces./app.rooms[0].join: "},
		{"backend: app", "backend: other", `namespaces./app.backend: there is no "other" in backends`},
		{"url: https", "url: ftp", "backends.app.url: "},
		{"methods: [token]", "methods: [magic]", "magic"},
	} {
		s, err := load(configured(t, strings.Replace(routed, c.replace, c.by, 1)), environment{}, nil)
		if err == nil {
			err = s.check()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %s", c.by, err, c.says)
		}
	}
}
