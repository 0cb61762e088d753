package handshake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestSecretsAreMaskedHoweverTheyArePrinted(t *testing.T) {
	const text = "hush-hush"
	cred := Credential{Kind: KindToken, Secret: text, Request: &Request{
		Namespace: "/chat", SessionID: text, Auth: json.RawMessage(`{"token":"` + text + `"}`),
		Header: http.Header{"Authorization": {text}},
	}}
	cfg := GateConfig{JWT: JWTConfig{HMACSecret: text}}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{Secret(text), cred, *cred.Request, cred.Request, cfg} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{Secret(text), cred, cfg.JWT} {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(raw))
	}
	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("x", zap.Any("cred", cred), zap.Any("secret", Secret(text)), zap.Any("request", cred.Request), zap.Reflect("cfg", cfg.JWT))
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range logs.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, line.String())
	}
	for _, out := range printed {
		if strings.Contains(out, text) || strings.Contains(out, fmt.Sprintf("%x", text)) {
			t.Errorf("shows the secret: %s", out)
		}
	}
	if Secret(text).Reveal() != text || Secret("").String() != "" {
		t.Error("a secret lost its text, or nothing is masked as something")
	}
}

func FuzzReadPayload(f *testing.F) {
	for _, seed := range []string{``, `{}`, `null`, `[]`, `{"token":"a.b.c"}`, `{"token":null,"pid":"x"}`, `{"pid":1,"offset":2}`, `{"ticket":"x","csrf":"y"}`, `{"token":{"a":[[[]]]}}`, "{\"token\":\"\xff\"}", `{"token":"a","token":"b"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := readPayload(raw, DefaultMaxPayload)
		if err != nil {
			return
		}
		if fields != nil && (len(fields) == 0 || fields.get("pid") != nil || fields.get("offset") != nil) {
			t.Fatalf("left %v", fields)
		}
		r := &Request{fields: fields}
		if cred, err := tokenFromPayload(r); err == nil && cred.Secret == "" {
			t.Fatal("found an empty token")
		}
	})
}
