package handshake

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Request has everything that a client brought to one CONNECT. The gate only
// reads it. It prints masked, because its header and payload have secrets.
type Request struct {
	Namespace  string
	Auth       json.RawMessage      // the CONNECT payload; nil when there was none
	Header     http.Header          // of the Engine.IO handshake, reduced to what is needed
	Query      url.Values           // of the Engine.IO handshake
	Host       string               // the host, as the client named this server
	Origin     string               // Origin of the WebSocket request or of the POST that carried CONNECT; empty: that of Header
	RemoteAddr netip.Addr           // after trusted proxies
	Secure     bool                 // the client speaks TLS, here or, by its word, to a trusted proxy
	ViaProxy   bool                 // the peer is a configured proxy, whose headers count
	TLS        *tls.ConnectionState // nil without TLS of ours
	Transport  string               // "polling" or "websocket": the transport that the session was opened with
	SessionID  string               // opaque and secret; never logged
	Path       string               // path that the session was opened at, such as "/socket.io/"
	Opened     time.Time            // when the session was opened

	fields object // fields of the payload, once the gate has read them
	later  bool   // not a CONNECT: its credentials are compared with those of the session
}

// Format prints the namespace of a request, and none of its content.
func (r Request) Format(w fmt.State, _ rune) {
	_, _ = fmt.Fprintf(w, "CONNECT %q from %s", r.Namespace, r.RemoteAddr)
}

// MarshalJSON gives reflecting loggers the same as Format.
func (r Request) MarshalJSON() ([]byte, error) {
	return json.Marshal(fmt.Sprintf("%v", r))
}

// Field returns one field of the `auth` payload as raw JSON. It returns nothing
// for a payload that is no object, has a name twice, or is larger than
// DefaultMaxPayload where the gate has no other limit, nor for pid and offset,
// which belong to connection state recovery.
func (r *Request) Field(name string) (json.RawMessage, bool) {
	fields := r.fields
	if fields == nil && len(r.Auth) > 0 { // a program's own gate has not read the payload
		fields, _ = readPayload(r.Auth, DefaultMaxPayload)
	}
	raw := fields.get(name)
	return json.RawMessage(raw), raw != nil
}

// URL returns the URL that opened the session, without the parameters of
// Engine.IO. It may hold a credential.
func (r *Request) URL() *url.URL {
	u := &url.URL{Scheme: "http", Host: r.Host, Path: r.Path, RawQuery: r.Query.Encode()}
	if r.Secure {
		u.Scheme = "https"
	}
	return u
}

// DefaultMaxPayload is the size limit of an `auth` payload in bytes.
const DefaultMaxPayload = 16 << 10

// read returns a copy of the request with its payload parsed.
func (r *Request) read(limit int) (*Request, error) {
	fields, err := readPayload(r.Auth, limit)
	if err != nil {
		return nil, err
	}
	q := *r
	q.fields = fields
	q.Auth = nil // verifiers see the fields, without pid and offset
	return &q, nil
}

// readPayload parses an `auth` payload. It returns nil when it has only pid
// and offset, which belong to connection recovery and are no credentials.
func readPayload(raw json.RawMessage, limit int) (object, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > limit {
		return nil, refuse(CodeTokenInvalid,
			fmt.Sprintf("The auth payload is larger than %d bytes; send only the credential in it.", limit),
			errors.New("auth payload over its limit"))
	}
	fields, err := readObject(raw)
	if err != nil {
		return nil, refuse(CodeUnauthenticated,
			`The auth payload must be an object such as {"token": "…"}, with no name in it twice.`,
			errors.New("auth payload is not a JSON object with unique names"))
	}
	if fields = fields.without("pid", "offset"); len(fields) == 0 {
		return nil, nil
	}
	return fields, nil
}

// origin returns the one Origin of the request; ok is false when there are
// several, which no browser sends.
func (r *Request) origin() (origin string, ok bool) {
	if r.Origin != "" {
		return r.Origin, true
	}
	all := r.Header["Origin"]
	if len(all) == 0 {
		return "", true
	}
	return all[0], len(all) == 1
}
