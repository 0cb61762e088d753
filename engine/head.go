package engine

import (
	"net/http"
	"strings"
)

// MaxHeadFields is how many fields the head of a request may have, and how many
// parameters its query: each takes many times the memory of its text. Browsers send
// some twenty.
const MaxHeadFields = 128

// TooManyFields reports whether a request has more than MaxHeadFields header fields
// or parameters.
func TooManyFields(r *http.Request) bool {
	n := 0
	for _, values := range r.Header {
		n += len(values)
	}
	return n > MaxHeadFields || strings.Count(r.URL.RawQuery, "&") >= MaxHeadFields
}

// refuseFields answers a request with too many fields (RFC 6585, section 5).
func (srv *Server) refuseFields(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	srv.refuseWith(w, r, &Refusal{
		Status: http.StatusRequestHeaderFieldsTooLarge, Code: codeBadRequest, Message: "Too many header fields or parameters",
	})
}
