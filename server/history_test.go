package server_test

import (
	"path/filepath"
	"strings"
	"testing"

	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
)

func TestAHistoryInAFileOutlivesTheServer(t *testing.T) {
	for _, fsync := range []string{"always", "interval"} {
		t.Run(fsync, func(t *testing.T) {
			cfg := server.Config{History: server.History{Path: filepath.Join(t.TempDir(), "history.db"), Fsync: fsync}}
			cfg.Namespaces = map[string]rules.Config{"/app": app()}
			const room = `"doc:acme:1"`
			first := serve(t, cfg)
			ann := arrives(t, first.addr, "websocket", editor("ann", "acme"))
			ack, _ := ann.ask("room:join", `{"room":`+room+`}`)
			says(t, ack, `"position":{"offset":0,"epoch":""}`)
			ann.ask("room:send", `{"room":`+room+`,"event":"edit:title","data":{"v":1}}`)
			ack, _ = ann.ask("history:get", `{"room":`+room+`}`)
			_, position, _ := strings.Cut(ack, `"position":`)
			position, _, _ = strings.Cut(position, "}")
			if err := first.stopped(); err != nil {
				t.Fatal(err)
			}

			second := serve(t, cfg)
			ann = arrives(t, second.addr, "websocket", editor("ann", "acme"))
			ack, _ = ann.ask("room:join", `{"room":`+room+`,"since":`+position+`}}`)
			says(t, ack, `"complete":true`, `"position":`+position+`}`)
			ack, _ = ann.ask("history:get", `{"room":`+room+`}`)
			says(t, ack, `"event":"edit:title","data":{"v":1}`, `"complete":true`)
		})
	}
}

func TestAHistoryThatCannotBeOpenedIsSaidAtTheStart(t *testing.T) {
	cfg := server.Config{History: server.History{Path: filepath.Join(t.TempDir(), "none", "history.db")}}
	cfg.JWT.HMACSecret = secret
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "history.path") {
		t.Errorf("New says %v", err)
	}
	cfg.History.Fsync = "sometimes"
	if err := cfg.WithDefaults().Check(); err == nil || !strings.Contains(err.Error(), `history.fsync: "sometimes" is unknown; write one of always, interval`) {
		t.Errorf("Check says %v", err)
	}
}
