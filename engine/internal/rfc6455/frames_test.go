package rfc6455

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

func clientFrame(op ws.OpCode, data []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewFrame(op, true, data)))
	return b.Bytes()
}

// fragment is a masked frame of a message in pieces.
func fragment(op ws.OpCode, fin bool, data string) []byte {
	b := clientFrame(op, []byte(data))
	if !fin {
		b[0] &^= 0x80
	}
	return b
}

// header builds the first bytes of a client's frame; every part of it may be
// wrong.
func header(first byte, masked bool, length uint64) []byte {
	b := []byte{first, 127}
	b = binary.BigEndian.AppendUint64(b, length)
	if masked {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

// compressedFrame is a masked frame with the first reserved bit.
func compressedFrame(op ws.OpCode, fin bool, data []byte) []byte {
	f := ws.NewFrame(op, fin, data)
	f.Header.Rsv = 4
	b, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		panic(err)
	}
	return b
}

// deflated compresses as a client does.
func deflated(t testing.TB, past, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, 6, past)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(text)
	_ = w.Flush()
	return b.Bytes()[:b.Len()-4]
}

// talk is a text of about 2 KB, as an application sends.
func talk(n int) string {
	return fmt.Sprintf("%06d", n) + strings.Repeat(fmt.Sprintf(`{"id":%d,"room":"general","text":"hello"},`, n), 50)
}
