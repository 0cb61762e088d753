package history

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"
)

// An entry in the file: a checksum of what follows, the time, and the parts, each with
// its length before it.

const entryHead = 4 + 8 // bytes of checksum and time

func encodeEntry(e *Entry) []byte {
	b := make([]byte, entryHead, entryHead+e.size())
	binary.BigEndian.PutUint64(b[4:], uint64(e.At.UnixNano())) // as bits
	for _, part := range append([][]byte{[]byte(e.Event), e.Data, e.Meta}, e.Attachments...) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

// timeOf reads only the time of an entry.
func timeOf(b []byte) (time.Time, bool) {
	if len(b) < entryHead {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b[4:]))), true // as bits
}

// decodeEntry reads an entry. The result does not refer to the file's memory.
func decodeEntry(b []byte) (Entry, error) {
	at, ok := timeOf(b)
	if !ok || binary.BigEndian.Uint32(b) != crc32.ChecksumIEEE(b[4:]) {
		return Entry{}, fmt.Errorf("%w: an entry of %d bytes", ErrDamaged, len(b))
	}
	var parts [][]byte
	for rest := b[entryHead:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return Entry{}, fmt.Errorf("%w: a part of an entry", ErrDamaged)
		}
		parts = append(parts, append([]byte{}, rest[n:n+int(size)]...)) // at most len(rest)
		rest = rest[n+int(size):]                                       // at most len(rest)
	}
	if len(parts) < 3 {
		return Entry{}, fmt.Errorf("%w: an entry of %d parts", ErrDamaged, len(parts))
	}
	e := Entry{At: at, Event: string(parts[0]), Data: json.RawMessage(parts[1])}
	if len(parts[2]) > 0 {
		e.Meta = json.RawMessage(parts[2])
	}
	if len(parts) > 3 {
		e.Attachments = parts[3:]
	}
	return e, nil
}
