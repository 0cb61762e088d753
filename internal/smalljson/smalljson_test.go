package smalljson

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOneValueIsReadAndNothingBehindIt(t *testing.T) {
	for text, good := range map[string]bool{
		`{"a":1}`: true, " {\"a\":1}\n": true, `{"b":1}`: false, `{"a":1}{}`: false, `{"a":1} x`: false, `{"a":`: false, ``: false,
	} {
		var v struct{ A int }
		if err := Decode([]byte(text), &v, Strict); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	var v any
	if err := Decode([]byte("9007199254740993"), &v, Exact); err != nil || v != json.Number("9007199254740993") {
		t.Errorf("%v, %v", v, err)
	}
}

func TestABodyIsSmallWholeAndJSON(t *testing.T) {
	for _, c := range []struct {
		kind, body, code string
		status           int
	}{
		{"application/json; charset=utf-8", `{"a":1}`, "", 0},
		{"", "", "", 0},
		{"", "{}", "unsupported_media_type", 415},
		{"text/plain", "{}", "unsupported_media_type", 415},
		{"application/json", strings.Repeat(" ", 11), "too_large", 413},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		text, err := Body(httptest.NewRecorder(), r, 10)
		var fault *Fault
		if c.code == "" && (err != nil || string(text) != c.body) || c.code != "" && (!errors.As(err, &fault) || fault.Code != c.code || fault.Status != c.status) {
			t.Errorf("%+v: %q, %v", c, text, err)
		}
	}
}
