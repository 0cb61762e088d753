package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLaterSourcesWin(t *testing.T) {
	path := configured(t, "addr: 127.0.0.1:1001\nengine: {ping_interval: 11s, ping_timeout: 12s}\norigins: {allow: [https://file.example]}\n")
	environ := []string{"GATEHOUSE_ADDR=127.0.0.1:1002", "GATEHOUSE_ENGINE_PING_INTERVAL=21s"}
	r := gatehouse(t, environ, "config", "print", "--config", path, "--addr", "127.0.0.1:1003")
	for _, line := range []string{
		"addr: 127.0.0.1:1003",     // flag over environment over file
		"ping_interval: 21s",       // environment over file
		"ping_timeout: 12s",        // file over default
		"upgrade_timeout: 10s",     // default
		"- https://file.example\n", // a list
	} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("config print does not say %q:\n%s", line, r.stdout)
		}
	}
}

func TestTheFileCanBeNamedByTheEnvironment(t *testing.T) {
	environ := []string{"GATEHOUSE_CONFIG=" + configured(t, "addr: 127.0.0.1:1001\n")}
	if r := gatehouse(t, environ, "config", "print"); !strings.Contains(r.stdout, "addr: 127.0.0.1:1001") {
		t.Errorf("%+v", r)
	}
}

func TestDevModeListensOnThisMachineOnlyUnlessTold(t *testing.T) {
	for _, c := range []struct {
		args []string
		addr string
	}{
		{[]string{"config", "print"}, `addr: :3000`},
		{[]string{"config", "print", "--dev"}, `addr: 127.0.0.1:3000`},
		{[]string{"config", "print", "--dev", "--addr", ":3000"}, `addr: :3000`},
	} {
		if r := gatehouse(t, nil, c.args...); !strings.Contains(r.stdout, c.addr+"\n") {
			t.Errorf("%v: no %q in:\n%s", c.args, c.addr, r.stdout)
		}
	}
}

func TestConfigPrintMasksSecretsAndReadsBack(t *testing.T) {
	r := gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}, "config", "print")
	if strings.Contains(r.stdout+r.stderr, testSecret) {
		t.Error("config print shows the secret")
	}
	if !strings.Contains(r.stdout, "hmac_secret: '***'") {
		t.Errorf("config print does not say that a secret is set:\n%s", r.stdout)
	}
	again := gatehouse(t, nil, "config", "print", "--config", configured(t, r.stdout))
	if again.stdout != r.stdout {
		t.Errorf("printed:\n%s\nread back:\n%s%s", r.stdout, again.stdout, again.stderr)
	}
}

func TestConfigPrintMasksEverySecret(t *testing.T) {
	const hidden = "hidden-hidden-hidden-hidden-hidden-hidden"
	path := configured(t, "redis: {url: 'redis://u:"+hidden+"@x:1'}\nadmin: {key: "+hidden+"}\ncookie: {csrf_secret: "+hidden+"}\n"+
		"callback: {secret: "+hidden+"}\nintrospection: {client_secret: "+hidden+"}\nbasic: {users: [{name: ada, hash: "+hidden+"}]}\n")
	r := gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=" + hidden}, "config", "print", "--config", path)
	if r.code != 0 || strings.Contains(r.stdout+r.stderr, hidden) || strings.Count(r.stdout, "'***'") != 7 {
		t.Errorf("%+v", r)
	}
}

func TestConfigCheck(t *testing.T) {
	good := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	if r := gatehouse(t, good, "config", "check"); r.code != 0 || r.stderr != "" {
		t.Errorf("a good configuration: %+v", r)
	}
	refused(t, gatehouse(t, nil, "config", "check"), "nobody can sign in", "jwt.hmac_secret", "--dev")
}

func TestConfigCheckSaysWhatDeservesASecondThought(t *testing.T) {
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	path := configured(t, "auth: {ways: [token, query_token], namespaces: [{name: /chat, ways: [token]}, {name: /echo, ways: [token]}]}\n")
	r := gatehouse(t, environ, "config", "check", "--config", path)
	lines := strings.SplitAfter(r.stderr, "\n")
	if r.code != 0 || !strings.HasPrefix(r.stdout, "the configuration is good\nwhatever strangers send, they hold at most ") || len(lines) != 3 ||
		!strings.HasPrefix(lines[0], "gatehouse: warning: auth.methods has query_token") ||
		!strings.HasPrefix(lines[1], "gatehouse: warning: auth.namespaces[1].name: there is no namespace /echo") {
		t.Errorf("%+v", r)
	}
	dev := gatehouse(t, nil, "config", "check", "--dev")
	if dev.code != 0 || !strings.Contains(dev.stderr, "warning: origins.allow_localhost") {
		t.Errorf("without a key: %+v", dev)
	}
}

func TestUnknownKeysAreRefusedWithTheNearestKnownOne(t *testing.T) {
	for _, c := range []struct {
		text  string
		words []string
	}{
		{"jwt: {hmac_secrett: x}", []string{"jwt.hmac_secrett", "did you mean jwt.hmac_secret?"}},
		{"pingInterval: 3s", []string{"pingInterval", "config print"}},
		{"adr: x", []string{"adr", "did you mean addr?"}},
		{"addr: {host: x}", []string{"addr.host"}},
		{"jwt: secret", []string{"jwt is a section", "jwt."}},
	} {
		refused(t, gatehouse(t, nil, "config", "print", "--config", configured(t, c.text)), append(c.words, "gatehouse.yaml")...)
	}
	refused(t, gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRETT=x"}, "config", "print"),
		"GATEHOUSE_JWT_HMAC_SECRETT", "did you mean GATEHOUSE_JWT_HMAC_SECRET?")
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	file := configured(t, "adr: x\nlog: {level: 3}\nissuers: [{issuer: 1}, {isuer: x}]\n")
	r := gatehouse(t, []string{"GATEHOUSE_DRAIN_TIMEOUT=soon", "GATEHOUSE_NOTHING=1", "GATEHOUSE_LOG_FORMAT=pretty"}, "config", "check", "--config", file)
	mistaken(t, r, "adr", "log.level", "issuers[0].issuer", "issuers[1].isuer", "drain.timeout", "GATEHOUSE_NOTHING", "log.format")
	if lines := strings.Split(r.stderr, "\n"); len(lines) != 8 || !strings.HasPrefix(lines[0], "gatehouse: "+file+":1: ") || !strings.HasPrefix(lines[3], "gatehouse: "+file+":3: ") {
		t.Errorf("not a line for each, in the order of the file:\n%s", r.stderr)
	}
}

func TestVariablesOfKubernetesServicesAreNotOurs(t *testing.T) {
	environ := []string{
		"GATEHOUSE_SERVICE_HOST=10.0.0.1", "GATEHOUSE_SERVICE_PORT=80", "GATEHOUSE_SERVICE_PORT_HTTP=80",
		"GATEHOUSE_PORT=tcp://10.0.0.1:80", "GATEHOUSE_PORT_80_TCP=tcp://10.0.0.1:80", "GATEHOUSE_PORT_80_TCP_ADDR=10.0.0.1",
	}
	if r := gatehouse(t, environ, "config", "print"); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWrongValuesSayKeyValueAndForm(t *testing.T) {
	for _, c := range []struct {
		text  string
		words []string
	}{
		{"engine: {ping_interval: 25}", []string{"engine.ping_interval", "25", "duration"}},
		{"engine: {max_payload: lots}", []string{"engine.max_payload", "lots", "a number of bytes"}},
		{"engine: {max_payload: 1.5}", []string{"engine.max_payload", "1.5", "a number of bytes"}},
		{"dev: maybe", []string{"dev", "maybe", "true or false"}},
		{"addr: 3000", []string{"addr", "3000", "text"}},
		{"origins: {allow: {a: b}}", []string{"origins.allow.a"}},
		{"origins: {allow: [1]}", []string{"origins.allow", "list of texts"}},
		{"issuers: {a: b}", []string{"issuers.a"}},
		{"issuers: [a]", []string{"issuers", "list of sections"}},
		{"issuers: [{isuer: x}]", []string{"issuers[0].isuer", "did you mean issuers[0].issuer?"}},
		{"issuers: [{issuer: x}, {leeway: 3}]", []string{"issuers[1].leeway", "duration"}},
	} {
		refused(t, gatehouse(t, nil, "config", "print", "--config", configured(t, c.text)), c.words...)
	}
}

func TestSectionsOfAListAreDecodedAndMasked(t *testing.T) {
	path := configured(t, "issuers:\n- {issuer: https://a.example, hmac_secret: "+testSecret+", leeway: 5s, claims: {name: nick}}\n")
	r := gatehouse(t, nil, "config", "print", "--config", path)
	for _, line := range []string{"issuer: https://a.example", "leeway: 5s", "name: nick", "hmac_secret: '***'"} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("config print does not say %q:\n%s%s", line, r.stdout, r.stderr)
		}
	}
	if strings.Contains(r.stdout, testSecret) {
		t.Error("config print shows the secret")
	}
}

func TestAWrongSecretIsNotShown(t *testing.T) {
	r := gatehouse(t, nil, "config", "print", "--config", configured(t, "jwt: {hmac_secret: 123456789}"))
	refused(t, r, "jwt.hmac_secret", "not shown")
	if strings.Contains(r.stderr, "123456789") {
		t.Error(r.stderr)
	}
}

func TestUnsafeValuesAreRefused(t *testing.T) {
	for _, c := range []struct {
		text  string
		words []string
	}{
		{"addr: localhost", []string{"addr", "HOST:PORT"}},
		{"addr: ':70000'", []string{"addr", "65535"}},
		{"addr: 'localhost:'", []string{"addr", "65535"}},
		{"admin: {addr: '127.0.0.1:3000'}", []string{"admin.addr", "addr (\":3000\")"}},
		{"log: {level: loud}", []string{"log.level", "info"}},
		{"log: {format: xml}", []string{"log.format", "console"}},
		{"origins: {allow: ['*']}", []string{"origins.allow", "insecure_allow_any"}},
		{"origins: {allow: [app.example.com]}", []string{"origins.allow", "scheme"}},
		{"jwt: {public_key_file: /k.pem}", []string{"jwt", "several kinds of keys"}},
		{"issuers: [{issuer: x}]", []string{"issuers[0]", "has no key"}},
		{"packet: {max_depth: 100000}", []string{"packet.max_depth", "512"}},
		{"sockets: {queue_events: 100, hard_queue_events: 10}", []string{"sockets.hard_queue_events"}},
		{"handshake: {timeout: 5s, admit_timeout: 6s}", []string{"handshake.admit_timeout"}},
		{"trusted_proxies: [0.0.0.0/0]", []string{"trusted_proxies", "everybody"}},
		{"trusted_proxies: [proxy]", []string{"trusted_proxies", "10.0.0.0/8"}},
		{"engine: {ping_timeout: -1s}", []string{"engine.ping_timeout"}},
		{"engine: {max_payload: -1}", []string{"engine.max_payload"}},
		{"handshake: {max_payload: 2000000}", []string{"handshake.max_payload", "engine.max_payload"}},
		{"engine: {outbox_bytes: 10}", []string{"engine.outbox_bytes", "engine.max_payload"}},
		{"engine: {outbox_bytes: 1000000}", []string{"engine.outbox_bytes", "chat.history_bytes", "1572864"}},
		{"tls: {cert_file: /c.pem}", []string{"tls.cert_file", "tls.key_file"}},
		{"tls: {cert_file: /c.pem, key_file: /k.pem}", []string{"tls.cert_file", "/c.pem"}},
		{"tls: {client_auth: maybe}", []string{"tls.client_auth", "require"}},
		{"admin: {addr: ':3001'}", []string{"admin.addr", "admin.key", "127.0.0.1"}},
		{"admin: {key: short}", []string{"admin.key", "at least 32"}},
		{"redis: {url: localhost}", []string{"redis.url", "redis://"}},
		{"door: {max_pending_per_address: -1}", []string{"door.max_pending_per_address"}},
		{"session: {max_per_user: -1}", []string{"session.max_per_user"}},
		{"session: {expiry_grace: -1s}", []string{"session.expiry_grace"}},
		{"auth: {ways: [token, basic]}\nbasic: {users: []}", []string{"basic", "tls.cert_file"}},
		{"auth: {ways: [token, certificate]}", []string{"certificate", "tls.client_auth"}},
		{"auth: {ways: [token, proxy_header]}", []string{"proxy_header", "trusted_proxies"}},
		{"drain: {spread: 1m}", []string{"drain.spread", "drain.timeout", "engine.close_timeout"}},
	} {
		environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
		mistaken(t, gatehouse(t, environ, "config", "check", "--config", configured(t, c.text)), c.words...)
		refused(t, gatehouse(t, environ, "serve", "--config", configured(t, c.text)), c.words...)
	}
}

func TestAWeakSecretIsRefused(t *testing.T) {
	for _, command := range []string{"check", "print"} {
		r := gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=swordfish"}, "config", command)
		if strings.Contains(r.stdout+r.stderr, "swordfish") {
			t.Errorf("config %s shows the secret", command)
		}
	}
	refused(t, gatehouse(t, []string{"GATEHOUSE_JWT_HMAC_SECRET=swordfish"}, "serve"), "jwt.hmac_secret", "at least 32")
}

func TestUnreadableFilesAreOneLine(t *testing.T) {
	refused(t, gatehouse(t, nil, "serve", "--config", "/nonexistent/gatehouse.yaml"), "/nonexistent/gatehouse.yaml", "no such file")
	refused(t, gatehouse(t, nil, "serve", "--config", t.TempDir()), "read configuration file")
	refused(t, gatehouse(t, nil, "serve", "--config", configured(t, "addr: [")), "gatehouse.yaml", "yaml")
	for _, text := range []string{"- a\n- b\n", "just text", "3"} {
		refused(t, gatehouse(t, nil, "serve", "--config", configured(t, text)), "gatehouse.yaml", "sections and keys")
	}
	for key, path := range map[string]string{
		"hmac_secret_file": "/nonexistent/secret", "public_key_file": "/nonexistent/key.pem", "private_key_file": configured(t, "no key"),
	} {
		environ := []string{envName("jwt."+key) + "=" + path}
		refused(t, gatehouse(t, environ, "serve"), "jwt."+key, path)
		refused(t, gatehouse(t, environ, "token", "--sub", "ada"), "jwt."+key, path)
	}
}

func TestAnEmptyFileAndEmptySectionsAreTheDefaults(t *testing.T) {
	want := gatehouse(t, nil, "config", "print").stdout
	for _, text := range []string{"", "# nothing\n", "engine:\njwt: {}\n"} {
		if r := gatehouse(t, nil, "config", "print", "--config", configured(t, text)); r.stdout != want {
			t.Errorf("%q: %+v", text, r)
		}
	}
}

func TestEveryKeyHasAVariableOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, f := range schema() {
		if other, ok := seen[envName(f.key)]; ok {
			t.Errorf("%s and %s share %s", other, f.key, envName(f.key))
		}
		if serviceLink.MatchString(envName(f.key)) {
			t.Errorf("%s looks like a variable of Kubernetes", envName(f.key))
		}
		seen[envName(f.key)] = f.key
	}
}

func TestNothingIsWrittenByLookingAtTheConfiguration(t *testing.T) {
	home := t.TempDir()
	gatehouse(t, []string{"XDG_STATE_HOME=" + home}, "config", "check", "--dev")
	gatehouse(t, []string{"XDG_STATE_HOME=" + home}, "config", "print", "--dev")
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("%v %v in %s", entries, err, filepath.Base(home))
	}
}
