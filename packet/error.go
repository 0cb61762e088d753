package packet

import (
	"errors"
	"fmt"
)

// Reason says what was wrong with a packet. Reasons are few and hold nothing of the packet, so they may stand in a log
// and as a metric's label.
type Reason string

// The reasons to refuse a packet.
const (
	Empty              Reason = "empty packet"
	UnknownType        Reason = "unknown packet type"
	InvalidUTF8        Reason = "invalid UTF-8"
	BadAttachmentCount Reason = "illegal attachment count"
	TooManyAttachments Reason = "too many attachments"
	NamespaceTooLong   Reason = "namespace too long"
	BadID              Reason = "acknowledgement id out of range"
	UnexpectedID       Reason = "acknowledgement id on a packet that has none"
	MissingID          Reason = "acknowledgement without an id"
	MissingPayload     Reason = "payload missing"
	BadPayload         Reason = "payload of the wrong kind"
	UnexpectedPayload  Reason = "payload on a packet that has none"
	InvalidJSON        Reason = "invalid JSON"
	TrailingBytes      Reason = "bytes after the payload"
	TooDeep            Reason = "nested too deeply"
	BadEventName       Reason = "event name is neither a string nor a number"
	EmptyEventName     Reason = "empty event name"
	EventNameTooLong   Reason = "event name too long"
	ReservedEventName  Reason = "reserved event name"
	BadPlaceholder     Reason = "malformed placeholder"
	PlaceholderRange   Reason = "placeholder names no attachment"
	PlaceholderTwice   Reason = "two placeholders for one attachment"
	PlaceholderMissing Reason = "attachment without a placeholder"
	AttachmentsAwaited Reason = "text while attachments are awaited"
	UnexpectedBinary   Reason = "binary data with no attachment awaited"
	UnexpectedText     Reason = "text on a connection that speaks msgpack"
	InvalidMsgpack     Reason = "invalid msgpack"
	BadNamespace       Reason = "malformed namespace"
	RepeatedField      Reason = "field named twice"
)

// Error is the refusal of a client's packet. It holds nothing of the content.
type Error struct {
	Reason Reason
	Offset int // offset into the text in bytes, or 0 where there is none
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("packet refused at byte %d: %s", e.Offset, e.Reason)
}

// Is makes errors.Is(err, &Error{Reason: r}) true for every refusal with that reason.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason
}

// ErrNoArgument is returned by [Args.Decode] when there is no argument of that index.
var ErrNoArgument = errors.New("packet: no such argument")

func refuse(reason Reason, offset int) error { return &Error{Reason: reason, Offset: offset} }
