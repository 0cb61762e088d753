package backend

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"gatehouse/handshake"
)

// Type says what happened.
type Type string

// The types of events.
const (
	Connect      Type = "connect"
	ClientEvent  Type = "event"
	Disconnect   Type = "disconnect"
	RoomOccupied Type = "room.occupied" // the first socket joined
	RoomVacated  Type = "room.vacated"  // the last one left
)

// Event is an event for the back end. ID and At are filled in when they are empty.
type Event struct {
	Type      Type     `json:"type"`
	ID        string   `json:"id"` // stays the same when the event is sent again; also the header webhook-id
	At        int64    `json:"at"` // milliseconds since 1970
	Namespace string   `json:"namespace"`
	Room      string   `json:"room,omitempty"`   // set on room.occupied and room.vacated
	Socket    string   `json:"socket,omitempty"` // its public id
	User      *User    `json:"user,omitempty"`
	Rooms     []string `json:"rooms,omitempty"` // that the socket is in
	// Auth is the auth payload of an anonymous client, for connect. The payload of other clients has a credential in it,
	// and is not sent.
	Auth  json.RawMessage   `json:"auth,omitempty"`
	Event string            `json:"event,omitempty"`
	Args  []json.RawMessage `json:"args,omitempty"`
	// Attachments are the binary parts of Args, in which
	// {"_placeholder":true,"num":n} stands for the n-th one, as on Socket.IO's
	// wire.
	Attachments [][]byte `json:"attachments,omitempty"`
	ExpectsAck  bool     `json:"expectsAck,omitempty"`
	Reason      string   `json:"reason,omitempty"` // of disconnect
	// Traceparent is, in a batch, the span of an event that is traced (W3C Trace Context). An event that is sent alone has
	// it as a header.
	Traceparent string `json:"traceparent,omitempty"`
}

// User is who did it.
type User struct {
	Subject string         `json:"subject"`
	Name    string         `json:"name,omitempty"`
	Issuer  string         `json:"issuer,omitempty"`
	Scopes  []string       `json:"scopes,omitempty"`
	Claims  map[string]any `json:"claims,omitempty"`
}

// UserOf describes an identity.
func UserOf(id handshake.Identity) *User {
	return &User{Subject: id.Subject, Name: id.Name, Issuer: id.Issuer, Scopes: id.Scopes, Claims: id.Claims}
}

// completed returns the event with its id and time.
func (e Event) completed() Event {
	if e.ID == "" {
		e.ID = "evt_" + rand.Text()
	}
	if e.At == 0 {
		e.At = time.Now().UnixMilli()
	}
	return e
}
