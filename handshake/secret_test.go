package handshake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
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
	var log bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&log), zap.DebugLevel)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil), zapslog.NewHandler(core)} {
		slog.New(h).Info("x", slog.Any("cred", cred), slog.Any("secret", Secret(text)), slog.Any("request", cred.Request), slog.Any("cfg", cfg.JWT))
	}
	printed = append(printed, log.String())
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
