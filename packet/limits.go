package packet

// Defaults of [Limits], and the most that each can be set to.
const (
	DefaultMaxAttachments = 10 // as in socket.io-parser
	DefaultMaxDepth       = 64
	DefaultMaxEventName   = 256
	DefaultMaxNamespace   = 256

	HighestMaxAttachments = 256
	HighestMaxDepth       = 512
	HighestMaxEventName   = 1<<16 - 1
	HighestMaxNamespace   = 1<<16 - 1
)

// Limits bound what one packet of a client may hold. A field that is zero or negative means its default; one above the
// highest value that this package supports means that value.
//
// The transport limits the size of a message. A session can make the decoder hold one message of text and MaxAttachments
// binary ones.
//
// The tags repeat the defaults and highest values above, for configuration files.
type Limits struct {
	MaxAttachments int `koanf:"max_attachments" default:"10" max:"256" doc:"binary attachments"`
	MaxDepth       int `koanf:"max_depth" default:"64" max:"512" doc:"how deep arrays and objects nest"`      // the array of the arguments is the first level
	MaxEventName   int `koanf:"max_event_name" default:"256" max:"65535" doc:"bytes of the name of an event"` // after unescaping
	MaxNamespace   int `koanf:"-" default:"256" max:"65535" doc:"bytes of the name of a namespace, with its slash"`
}

// limits is the form of Limits that a decoder holds: there is one per connection.
type limits struct {
	attachments, depth, eventName, namespace uint16
}

func (l Limits) compact() limits {
	return limits{
		attachments: clamp(l.MaxAttachments, DefaultMaxAttachments, HighestMaxAttachments),
		depth:       clamp(l.MaxDepth, DefaultMaxDepth, HighestMaxDepth),
		eventName:   clamp(l.MaxEventName, DefaultMaxEventName, HighestMaxEventName),
		namespace:   clamp(l.MaxNamespace, DefaultMaxNamespace, HighestMaxNamespace),
	}
}

func clamp(value, fallback, highest int) uint16 {
	if value <= 0 {
		value = fallback
	}
	return uint16(min(value, highest)) // highest is at most 65535
}
