// Package smalljson reads small JSON documents: bodies of requests, records of
// stores, answers of other servers.
package smalljson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// How has options beyond those of encoding/json.
type How uint

// The choices of How.
const (
	Strict How = 1 << iota // unknown names are mistakes
	Exact                  // numbers without a type of their own stay texts (json.Number)
)

var errMore = errors.New("there is text after the JSON")

// Decode reads one JSON value with nothing behind it.
func Decode(text []byte, into any, how How) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if how&Strict != 0 {
		d.DisallowUnknownFields()
	}
	if how&Exact != 0 {
		d.UseNumber()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMore
	}
	return nil
}

// Fault says what is wrong with a body.
type Fault struct {
	Status  int
	Code    string // for programs: "unsupported_media_type", "too_large" or "bad_request"
	Message string // for people
}

// Error implements error.
func (f *Fault) Error() string { return f.Message }

// Body reads the whole body of a request, at most so many bytes of JSON. The error is
// a *Fault. An empty body needs no type.
func Body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, &Fault{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the request is larger than %d bytes", most)}
	case err != nil:
		return nil, &Fault{http.StatusBadRequest, "bad_request", "the request is not complete"}
	case len(text) > 0 && kind != "application/json":
		return nil, &Fault{http.StatusUnsupportedMediaType, "unsupported_media_type", "send the body as application/json"}
	}
	return text, nil
}
