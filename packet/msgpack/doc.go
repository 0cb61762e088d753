// Package msgpack translates between JSON with attachments, which is how package packet keeps arguments, and MessagePack
// (https://github.com/msgpack/msgpack/blob/master/spec.md) as npm notepack.io writes and reads it: the encoding of
// socket.io-msgpack-parser, of Node's Redis adapters and of their emitters.
//
// Values that JSON does not have are translated as by JSON.stringify, so that a handler sees the same value
// whatever parser its client has:
//
//	msgpack                          JSON
//	bin, ext 0 (an ArrayBuffer)      a placeholder, and the bytes as an attachment
//	ext 0 of 8 bytes, timestamps     the date as an ISO 8601 text, null when JavaScript has no such date
//	ext 0 of 1 byte (undefined)      null in an array, nothing in an object
//	NaN and infinities               null
//	any other extension type         refused
//
// Integers of 64 bits are kept exactly in both directions. JavaScript counts exactly up to 2^53 and rounds what is beyond
// in either encoding alike. A whole number of JSON that fits no integer of 64 bits becomes a double.
//
// A reader checks everything: it compares lengths with the bytes that are there before it allocates, and limits the
// nesting. JSON grows to at most six times the size of the msgpack, plus 30 bytes for each attachment.
package msgpack
