package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/internal/smalljson"
)

// Answer holds the actions that the back end asks for, in this order: leave,
// join, emit, acknowledge, disconnect. The zero value asks for none.
type Answer struct {
	Leave []string `json:"leave,omitempty"` // rooms
	Join  []string `json:"join,omitempty"`
	Emit  []Emit   `json:"emit,omitempty"`
	// Ack are the arguments of the acknowledgement; nil when there is none. The
	// placeholders in them stand for Attachments.
	Ack         []json.RawMessage `json:"ack,omitempty"`
	Attachments [][]byte          `json:"attachments,omitempty"`
	// Error is the acknowledgement of a failed event; for connect, a refusal.
	Error      *Failure `json:"error,omitempty"`
	Disconnect bool     `json:"disconnect,omitempty"`
}

// Failure is the error that the client is told.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Emit sends an event to a room, to all sockets of a user, or to one socket:
// exactly one of To, User and Socket is set.
type Emit struct {
	To          string            `json:"to,omitempty"`
	User        string            `json:"user,omitempty"`
	Socket      string            `json:"socket,omitempty"`
	Except      []string          `json:"except,omitempty"` // rooms and ids of sockets
	Event       string            `json:"event"`
	Args        []json.RawMessage `json:"args,omitempty"`
	Attachments [][]byte          `json:"attachments,omitempty"`
	Volatile    bool              `json:"volatile,omitempty"`
}

// decode reads the answers to n events: one object, or an array of n of them when
// the events were sent as an array. An empty body asks for nothing.
func decode(body []byte, n int, array bool) ([]Answer, error) {
	answers := make([]Answer, n)
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return answers, nil
	}
	var into any = &answers[0]
	if array {
		into = &answers
	}
	if err := smalljson.Decode(body, into, smalljson.Strict); err != nil { // an unknown member, such as a typing mistake, is an error
		return nil, fmt.Errorf("the answer is no JSON of the documented form: %w", err)
	}
	if len(answers) != n {
		return nil, fmt.Errorf("%d events were answered with %d answers", n, len(answers))
	}
	for i := range answers {
		if err := answers[i].check(); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func (a *Answer) check() error {
	if a.Error != nil && (a.Error.Code == "" || a.Ack != nil) {
		return errors.New("error: needs a code, and no ack beside it")
	}
	for i := range a.Emit {
		if err := a.Emit[i].check(); err != nil {
			return fmt.Errorf("emit[%d]: %w", i, err)
		}
	}
	return nil
}

func (e *Emit) check() error {
	named := 0
	for _, target := range []string{e.To, e.User, e.Socket} {
		if target != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return errors.New("names to, user or socket, one of them")
	case e.Event == "":
		return errors.New("event: is missing")
	}
	return nil
}
