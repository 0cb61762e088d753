package backend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"gatehouse/backend"
)

// An application's back end gets an event of a client, and answers with actions: here an acknowledgement, and an event to a
// room. The back end could be written in any language.
func ExampleClient_Ask() {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e backend.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Printf("the back end hears %s of %s: %s\n", e.Event, e.User.Subject, e.Args[0])
		_, _ = io.WriteString(w, `{"ack":[{"ok":true}],"emit":[{"to":"desk","event":"order:created","args":["tea"]}]}`)
	}))
	defer application.Close()

	client, err := backend.New(backend.Config{
		URL:    application.URL,
		Secret: "whsec_c2lnbnMgdGhlIHJlcXVlc3RzIG9mIGFuIGV4YW1wbGU=",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(context.Background()) }()

	answer, err := client.Ask(context.Background(), backend.Event{
		Type: backend.ClientEvent, Namespace: "/orders", Socket: "Dm3vq0a8", User: &backend.User{Subject: "ada"},
		Event: "order:create", Args: []json.RawMessage{json.RawMessage(`{"item":"tea"}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("it answers %s and sends %s to %s\n", answer.Ack[0], answer.Emit[0].Event, answer.Emit[0].To)
	// Output:
	// the back end hears order:create of ada: {"item":"tea"}
	// it answers {"ok":true} and sends order:created to desk
}
