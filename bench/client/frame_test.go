package client

import (
	"bytes"
	"strings"
	"testing"
)

func TestTextFramesOfAllLengthsUnmaskToTheirPayload(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 9, 125, 126, 65535, 65536, 100_000} {
		text := strings.Repeat("x", size)
		b := appendText([]byte("before"), []byte(text))[len("before"):]
		header := len(b) - size
		payload := bytes.Clone(b[header:])
		mask(payload)
		if b[0] != finText || b[1]&masked == 0 || !bytes.Equal(b[header-4:header], key[:]) || string(payload) != text {
			t.Errorf("%d bytes: header % x, payload %.20q", size, b[:header], payload)
		}
	}
}

// serverFrame returns a frame as servers send it.
func serverFrame(op byte, payload string) []byte {
	b := appendHeader(nil, len(payload))
	b[0] = op
	b[1] &^= masked
	return append(b[:len(b)-len(key)], payload...)
}

func TestFramesAreReadOnceTheyAreComplete(t *testing.T) {
	for _, size := range []int{0, 5, 125, 126, 65535, 65536} {
		whole := serverFrame(finText, strings.Repeat("y", size))
		for _, cut := range []int{0, 1, 2, 3, 5, 9, len(whole) - 1} {
			if f, err := parseFrame(whole[:min(cut, len(whole)-1)]); err != nil || f.size != 0 {
				t.Errorf("%d bytes cut at %d: size %d, error %v", size, cut, f.size, err)
			}
		}
		f, err := parseFrame(append(bytes.Clone(whole), "next"...))
		if err != nil || f.size != len(whole) || len(f.payload) != size || f.op != finText {
			t.Errorf("%d bytes: size %d of %d, payload of %d, error %v", size, f.size, len(whole), len(f.payload), err)
		}
	}
}

func TestFramesThatNoServerMaySendAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{"masked": {finText, masked}, "compressed": {finText | 0x40, 0}} {
		if _, err := parseFrame(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAcknowledgementIDsStandBeforeThePayload(t *testing.T) {
	for text, want := range map[string]uint64{`[1]`: 0, `0[1]`: 0, `1999[1]`: 1999} {
		id, rest := number([]byte(text))
		if id != want || string(rest) != "[1]" {
			t.Errorf("%s: id %d, rest %s", text, id, rest)
		}
	}
}
