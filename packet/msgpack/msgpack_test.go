package msgpack_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gatehouse/packet/msgpack"
)

// Each length has the shortest form that holds it (specification, sections on str, bin, array and map).
func TestLengthsHaveTheShortestForm(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		head []byte
	}{
		{"text of 31", msgpack.AppendString(nil, strings.Repeat("x", 31)), []byte{0xbf}},
		{"text of 32", msgpack.AppendString(nil, strings.Repeat("x", 32)), []byte{0xd9, 32}},
		{"text of 256", msgpack.AppendString(nil, strings.Repeat("x", 256)), []byte{0xda, 1, 0}},
		{"text of 65,536", msgpack.AppendString(nil, strings.Repeat("x", 65536)), []byte{0xdb, 0, 1, 0, 0}},
		{"no bytes", msgpack.AppendBinary(nil, nil), []byte{0xc4, 0}},
		{"256 bytes", msgpack.AppendBinary(nil, make([]byte, 256)), []byte{0xc5, 1, 0}},
		{"65,536 bytes", msgpack.AppendBinary(nil, make([]byte, 65536)), []byte{0xc6, 0, 1, 0, 0}},
		{"array of 15", msgpack.AppendArray(nil, 15), []byte{0x9f}},
		{"array of 16", msgpack.AppendArray(nil, 16), []byte{0xdc, 0, 16}},
		{"array of 65,536", msgpack.AppendArray(nil, 65536), []byte{0xdd, 0, 1, 0, 0}},
		{"map of 15", msgpack.AppendMap(nil, 15), []byte{0x8f}},
		{"map of 16", msgpack.AppendMap(nil, 16), []byte{0xde, 0, 16}},
		{"map of 65,536", msgpack.AppendMap(nil, 65536), []byte{0xdf, 0, 1, 0, 0}},
	} {
		if !bytes.HasPrefix(c.got, c.head) {
			t.Errorf("%s begins with %x, want %x", c.name, c.got[:len(c.head)], c.head)
		}
	}
}

func TestARawValueIsReadWhole(t *testing.T) {
	value := []byte{0x92, 0x81, 0xa1, 'a', 0x91, 1, 0xc4, 1, 9}
	r := msgpack.NewReader(append(bytes.Clone(value), 7))
	raw, err := r.Raw(3)
	if err != nil || !bytes.Equal(raw, value) {
		t.Errorf("%x, %v", raw, err)
	}
	if err := r.End(); !errors.Is(err, msgpack.ErrTrailing) {
		t.Errorf("a byte is left, and End says %v", err)
	}
	if n, err := r.Uint(); n != 7 || err != nil || r.End() != nil {
		t.Errorf("%d, %v, %v", n, err, r.End())
	}
	if _, err := msgpack.NewReader(value).Raw(2); !errors.Is(err, msgpack.ErrTooDeep) {
		t.Errorf("three containers in a depth of two: %v", err)
	}
}

func TestAValueOfAnotherKindIsAnError(t *testing.T) {
	for name, read := range map[string]func(*msgpack.Reader) error{
		"array": func(r *msgpack.Reader) error { _, err := r.Array(); return err },
		"map":   func(r *msgpack.Reader) error { _, err := r.Map(); return err },
		"text":  func(r *msgpack.Reader) error { _, err := r.Text(); return err },
		"bytes": func(r *msgpack.Reader) error { _, err := r.Bytes(); return err },
		"uint":  func(r *msgpack.Reader) error { _, err := r.Uint(); return err },
	} {
		if err := read(msgpack.NewReader([]byte{0xff})); !errors.Is(err, msgpack.ErrKind) {
			t.Errorf("-1 read as %s: %v", name, err)
		}
		if err := read(msgpack.NewReader(nil)); !errors.Is(err, msgpack.ErrTruncated) {
			t.Errorf("nothing read as %s: %v", name, err)
		}
	}
}

// AppendJSON is given JSON that was checked. Other text is an error, never a panic.
func FuzzAppendJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{}]}`, `1,"a\"",[]`, "[", "]", `"`, `{"a"`, "1x", `"\`, "[}", "-"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := msgpack.AppendJSON(nil, text, msgpack.Attachments{})
		if err == nil && len(out) > 9*len(text) {
			t.Errorf("%d bytes became %d", len(text), len(out))
		}
	})
}
