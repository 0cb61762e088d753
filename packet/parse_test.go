package packet

import (
	"encoding/json"
	"testing"
)

func raws(texts ...string) []json.RawMessage {
	var all []json.RawMessage
	for _, t := range texts {
		all = append(all, json.RawMessage(t))
	}
	return all
}

func TestArgumentsFromOutsideAreCheckedAsAClientsAre(t *testing.T) {
	const first = `{"_placeholder":true,"num":0}`
	for _, c := range []struct {
		name        string
		values      []json.RawMessage
		attachments [][]byte
		ok          bool
	}{
		{"none", nil, nil, true},
		{"values", raws(`1`, ` {"a":[2]} `, `"x"`), nil, true},
		{"an attachment", raws(`{"file":` + first + `}`), [][]byte{{1}}, true},
		{"no JSON", raws(`{`), nil, false},
		{"two values in one", raws(`1,2`), nil, false},
		{"an end before its time", raws(`1]`), nil, false},
		{"a placeholder for nothing", raws(first), nil, false},
		{"an attachment that is nowhere", raws(`1`), [][]byte{{1}}, false},
		{"an attachment used twice", raws(first, first), [][]byte{{1}}, false},
		{"too many attachments", raws(first), make([][]byte, 11), false},
	} {
		args, err := ParseArgs(c.values, c.attachments, Limits{})
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.name, err)
		}
		if err == nil && args.Len() != len(c.values) {
			t.Errorf("%s: %d arguments", c.name, args.Len())
		}
	}
}

func TestArgumentsFromOutsideGoOutAsTheyCame(t *testing.T) {
	args, err := ParseArgs(raws(`12345678901234567890`, `{"b":{"_placeholder":true,"num":0}}`), [][]byte{{7}}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f := Encode(&Packet{Type: Event, Namespace: "/", Event: "e", Args: args}, V5)
	if got, want := string(f.Text), `51-["e",12345678901234567890,{"b":{"_placeholder":true,"num":0}}]`; got != want || f.Attachments[0][0] != 7 {
		t.Errorf("encoded %s, want %s", got, want)
	}
}
