package packet

import (
	"errors"
	"fmt"
)

// Reason says what was wrong with a packet. There are few and they hold nothing of the packet, so a log may write them
// and a metric may use them as a label.
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

// Error is the refusal of what a client sent. It holds nothing of the content.
type Error struct {
	Reason Reason
	Offset int // bytes into the text, or 0 where it means nothing
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

// ErrNoArgument is what [Args.Decode] returns when there is no argument of that index.
var ErrNoArgument = errors.New("packet: no such argument")

func refuse(reason Reason, offset int) error { return &Error{Reason: reason, Offset: offset} }
