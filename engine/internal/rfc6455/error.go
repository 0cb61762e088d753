package rfc6455

// Error is a fault of the client with the close code that answers it.
type Error struct {
	Code int    // section 7.4.1
	Text string // for logs
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Close codes (section 7.4.1) of this package's errors.
const (
	codeNormal         = 1000
	codeProtocolError  = 1002
	codeInvalidPayload = 1007
	codeTooBig         = 1009
)

// Errors of a [Reader] and an [Inflater].
var (
	ErrTooBig  = &Error{codeTooBig, "message larger than maxPayload"}
	ErrUTF8    = &Error{codeInvalidPayload, "text is not UTF-8"}
	ErrInflate = &Error{codeInvalidPayload, "compressed message is corrupt"}
)
