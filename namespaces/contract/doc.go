// Package contract describes the events that clients of namespaces send and get, for people who write clients: as TypeScript
// types that socket.io-client takes ([TypeScript]), and as an AsyncAPI document ([AsyncAPI]). Both are made from the
// definitions themselves, by reflection: see [namespaces.Describe] for how much of them is known.
//
// Types are what packet.NewArgs makes of a value: encoding/json's, but slices and maps are never null, a []byte is binary, and
// a time.Time a text. A field with omitempty or omitzero may be left out, by whichever side sends it; a pointer may be null.
// A type that encodes itself (json.Marshaler) is unknown. A field of type bool that always has one value says so with the tag
// `typed:"true"` or `typed:"false"`, so that a client can tell an acknowledgement of success from one of failure.
package contract
