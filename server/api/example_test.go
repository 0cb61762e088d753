package api_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server/api"
)

// nobody refuses everybody: this program has no clients of its own.
var nobody = namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
	return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeForbidden}
})

// A program with a hub of its own can mount the interface where it likes. A back end with a key then publishes to its
// namespaces.
func Example() {
	hub, err := namespaces.NewHub(namespaces.Config{Gate: nobody}, namespaces.New("/app"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = hub.Close(context.Background()) }()

	const key = "the key of the billing service, kept secret"
	handler, err := api.New(api.Config{Keys: []api.Key{{
		Name: "billing", Secret: key, Namespaces: []string{"/app"}, Scopes: []string{api.ScopePublish},
	}}}, api.Deps{
		Namespace: hub.Open,
		Names:     func() []string { return []string{"/app"} },
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	publish := func(namespace string) {
		body := `{"namespace":"` + namespace + `","rooms":["room-7"],"event":"paid","args":[{"invoice":17}]}`
		r := httptest.NewRequest(http.MethodPost, "/api/v1/publish", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		answer, _ := io.ReadAll(w.Body)
		fmt.Println(w.Code, strings.TrimSpace(string(answer)))
	}
	publish("/app")
	publish("/other")
	// Output:
	// 200 {"ok":true,"queued":0,"results":[{"queued":0}]}
	// 403 {"ok":false,"error":{"code":"forbidden","message":"the key \"billing\" is not for the namespace \"/other\""}}
}
