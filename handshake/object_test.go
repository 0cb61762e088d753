package handshake

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func TestReadObject(t *testing.T) {
	for text, want := range map[string]int{
		`{}`:                            0,
		" {\"a\" : 1 ,\n\"b\":[{}]} \t": 2,
		`{"a":{"a":1,"b":2}}`:           1,
		`{"\u0061":1,"b":"\ud800"}`:     2,
		`{"":null}`:                     1,
		`{"a":1,"a":2}`:                 -1,
		`{"a":1,"\u0061":2}`:            -1, // the same name, written otherwise
		`{"a":1}{"a":1}`:                -1,
		`{"a":1} x`:                     -1,
		`{"a":1,}`:                      -1,
		`{"a":01}`:                      -1,
		`{"a"}`:                         -1,
		`{a:1}`:                         -1,
		`{"a":1`:                        -1,
		`[]`:                            -1,
		`null`:                          -1,
		`"{}"`:                          -1,
		``:                              -1,
	} {
		got, err := readObject([]byte(text))
		switch {
		case want < 0 && !errors.Is(err, errNoObject):
			t.Errorf("%s is read as %v, %v", text, got, err)
		case want >= 0 && (err != nil || len(got) != want):
			t.Errorf("%s: %d members, %v; want %d", text, len(got), err, want)
		}
	}
}

// The text from the wire may be used again, so a reused decoder must not write
// to it.
func TestReadObjectLeavesTheTextAlone(t *testing.T) {
	text := []byte(`{"token":"a.b.c","other":{"n":1}}`)
	before := bytes.Clone(text)
	first, err := readObject(text)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := readObject([]byte(`{"token":"xxxxx","other":"yyyyyyyyyyyyyyyyyy"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := stringOf(first.get("token")); s != "a.b.c" || !bytes.Equal(text, before) {
		t.Errorf("token is %q, the text %s", s, text)
	}
}

// A text means what encoding/json makes of it, except that no name may come
// twice.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":"b","c":1.5e3,"d":[1,{"e":null}],"f":{"g":{}}}`, `{"a":"\ud83d\ude00\n\ud800"}`,
		"{\"\xff\":\"\xff\"}", `{"a.b":{"c":1},"a":{"b":{"c":2}}}`, `{"a":1,"a":2}`, `[{}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := readObject(text)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(text, &want)
		if err != nil {
			if wantErr == nil && want != nil && membersOf(t, text) == len(want) {
				t.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		if wantErr != nil || len(got) != len(want) {
			t.Fatalf("%q: %d members; encoding/json: %d, %v", text, len(got), len(want), wantErr)
		}
		for _, m := range got {
			if !bytes.Equal(m.value, want[m.name]) {
				t.Fatalf("%q: %q is %s; encoding/json: %s", text, m.name, m.value, want[m.name])
			}
			var s string
			wantString := json.Unmarshal(m.value, &s) == nil && m.value.Kind() == '"'
			if is, ok := stringOf(m.value); ok != wantString || ok && is != s {
				t.Fatalf("%s is %q, %v; encoding/json: %q, %v", m.value, is, ok, s, wantString)
			}
		}
	})
}

// membersOf counts the members of an object, those of one name too.
func membersOf(t *testing.T, text []byte) (n int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for ; d.More(); n++ {
		var value json.RawMessage
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
