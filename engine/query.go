package engine

import (
	"net/http"
	"net/url"
	"strings"
)

// Parameter returns the first value of a parameter in the query of a request, "" if
// there is none, as r.URL.Query().Get does. Where nothing in the query is escaped,
// it is not parsed as a whole: several places ask a poll for its parameters.
func Parameter(r *http.Request, name string) string {
	query := r.URL.RawQuery
	if escaped(query) {
		return r.URL.Query().Get(name)
	}
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if key, value, _ := strings.Cut(part, "="); part != "" && key == name {
			return value
		}
	}
	return ""
}

// escaped reports whether a query must be decoded to be read, or holds a ";", which
// url.ParseQuery refuses as a separator.
func escaped(query string) bool { return strings.ContainsAny(query, "%+;") }

// Query returns the query of a request without the parameters of Engine.IO itself:
// EIO, transport, sid, t and b64. It is nil when nothing is left.
func Query(r *http.Request) url.Values {
	if onlyOwn(r.URL.RawQuery) {
		return nil
	}
	query := r.URL.Query()
	for name := range query {
		if ownParameter(name) {
			delete(query, name)
		}
	}
	if len(query) == 0 {
		return nil
	}
	return query
}

// onlyOwn reports whether a query plainly has parameters of Engine.IO only.
func onlyOwn(query string) bool {
	if escaped(query) {
		return false
	}
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if key, _, _ := strings.Cut(part, "="); part != "" && !ownParameter(key) {
			return false
		}
	}
	return true
}

func ownParameter(name string) bool {
	switch name {
	case "EIO", "transport", "sid", "t", "b64":
		return true
	}
	return false
}
