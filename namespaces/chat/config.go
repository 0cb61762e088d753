package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/handshake"
	"gatehouse/internal/settings"
	"gatehouse/namespaces"
)

// Limits bound what the chat remembers and sends. The tags say of each its default and bounds, see package internal/settings;
// zero means the default.
type Limits struct {
	MaxText         int           `koanf:"max_text" default:"4000" doc:"characters of a message"`
	QuietAbove      int           `koanf:"quiet_above" default:"500" doc:"a room with more users sends no member:… and no typing events"`
	HistoryMessages int           `koanf:"history_messages" default:"200" doc:"messages that a room remembers"`
	HistoryBytes    int           `koanf:"history_bytes" default:"256KiB" unit:"bytes" doc:"their size"`
	HistoryTotal    int           `koanf:"history_total" default:"64MiB" max:"none" unit:"bytes" doc:"what all rooms remember together, with their nonces; above it the user whose rooms remember the most loses first empty rooms, then the oldest messages and nonces of the largest"`
	Nonces          int           `koanf:"nonces" default:"1024" doc:"remembered nonces of a room, at most an eighth of one user; a repeated one is answered and not sent again. A room looks through all of them for each message"`
	MaxRooms        int           `koanf:"max_rooms" default:"10000" doc:"rooms, of which one user may have opened an eighth; when none of them is empty, no other can be opened"`
	EmptyRooms      int           `koanf:"empty_rooms" default:"1000" doc:"rooms without members that keep their history, so that it survives a reload"`
	EmptyFor        time.Duration `koanf:"empty_for" default:"10m" doc:"for how long; one that is overdue is forgotten when another one is opened or left"`
}

// Config is the configuration of the chat. A field that is zero has the default named with it.
type Config struct {
	// Now is the clock: time.Now.
	Now func() time.Time
	// MayJoin decides who may join a room; an error refuses, see [namespaces.On]. [RoomsOfIdentity] is the default.
	MayJoin func(ctx context.Context, id handshake.Identity, room string) error

	// Home is the issuer whose users clients know by their subject alone; users of others are known by issuer and subject.
	// When it is empty, it is the issuer of the first user who comes.
	Home string

	Limits

	// Joins of a user wait when their answers exceed joinBurst bytes at once and joinRate bytes a second: 64 MiB and 8
	// MiB. Only tests choose other values.
	joinBurst, joinRate int
}

// Limits that the protocol of the chat fixes.
const (
	maxMembers  = 100 // in the answer to a join
	maxRoomName = 64  // characters
	maxNonce    = 128 // bytes

	// shareOfOne is the part of the rooms, and of a room's nonces, that one user can take.
	shareOfOne = 8

	// joinWeight is how many bytes a join counts for besides its history, and announceWeight for telling one member of it.
	joinWeight     = 8 << 10
	announceWeight = 128

	// A user may send typingBurst notices of typing at once, and typingRate more a second. Others are dropped.
	typingBurst = 10
	typingRate  = 2
)

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MayJoin == nil {
		c.MayJoin = RoomsOfIdentity
	}
	settings.Fill(&c.Limits)
	if err := settings.Check(c.Limits, settings.Fields); err != nil {
		panic(fmt.Sprintf("chat: %v", err))
	}
	setDefault(&c.joinBurst, 64<<20)
	setDefault(&c.joinRate, 8<<20)
	return c
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

// checkRoom refuses room names that people could not read or tell apart.
func checkRoom(name string) error {
	switch {
	case name == "":
		return namespaces.BadRequest("Name a room.")
	case len(name) > maxRoomName*utf8.UTFMax || utf8.RuneCountInString(name) > maxRoomName:
		return namespaces.BadRequest(fmt.Sprintf("The name of a room has at most %d characters.", maxRoomName))
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return namespaces.BadRequest("The name of a room has printable characters only, and no space at its ends.")
	}
	return nil
}

// checkMessage refuses messages that cannot be sent to any room.
func (c *chat) checkMessage(in sendRequest) error {
	switch {
	case strings.TrimSpace(in.Text) == "":
		return namespaces.BadRequest("A message needs a text.")
	case utf8.RuneCountInString(in.Text) > c.cfg.MaxText:
		return &namespaces.Error{Code: CodeTextTooLong, Message: fmt.Sprintf("A message has at most %d characters.", c.cfg.MaxText)}
	case len(in.Nonce) > maxNonce:
		return namespaces.BadRequest(fmt.Sprintf("A nonce has at most %d bytes.", maxNonce))
	}
	return nil
}

// joinError tells a client that it reached a limit of the server's rooms.
func joinError(err error) error {
	if known, ok := joinRefusal(err); ok {
		return known
	}
	return err
}

// joinRefusal tells a client that its join is its own fault.
func joinRefusal(err error) (known *namespaces.Error, ok bool) {
	switch {
	case errors.Is(err, namespaces.ErrTooManyRooms):
		return &namespaces.Error{Code: CodeTooManyRooms, Message: "You are in too many rooms; leave one first.", Cause: err}, true
	case errors.Is(err, namespaces.ErrRoomName):
		return &namespaces.Error{Code: namespaces.CodeBadRequest, Message: "The name of the room has too many bytes for this server.", Cause: err}, true
	}
	return nil, false
}
