package api

import (
	_ "embed"
	"net/http"
)

// OpenAPI is the description of the interface, an OpenAPI 3.1 document in JSON.
//
//go:embed openapi.json
var OpenAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, OpenAPI)
	return nil
}
