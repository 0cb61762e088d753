package packet_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/packet"
)

// received returns the arguments of an event as a client sent it.
func received(t testing.TB, text string, attachments ...[]byte) packet.Args {
	t.Helper()
	var d packet.Decoder
	p, complete, err := d.Text([]byte(text))
	for _, a := range attachments {
		p, complete, err = d.Binary(a)
	}
	if err != nil || !complete {
		t.Fatalf("%s: complete %t, %v", text, complete, err)
	}
	return p.Args
}

func TestRawArgumentsAreThoseOfTheWire(t *testing.T) {
	for text, want := range map[string][]string{
		`2["a"]`:   nil,
		`2["a",1]`: {"1"},
		`2[ "a" , {"b": [1, 2]} ,` + "\n\t" + `"," ]`: {`{"b": [1, 2]}`, `","`},
		`2["a",1,2,3,4,5,6,7,8,9,10]`:                 strings.Split("1,2,3,4,5,6,7,8,9,10", ","),
		`31[]`:                                        nil,
		`31[ ]`:                                       nil,
		`31["x",[[]]]`:                                {`"x"`, "[[]]"},
	} {
		a := received(t, text)
		var got []string
		for i := range a.Len() {
			got = append(got, string(a.Raw(i)))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if a.Raw(-1) != nil || a.Raw(a.Len()) != nil {
			t.Errorf("%s: there are arguments out of range", text)
		}
	}
}

func TestBytesArriveWhereverTheValueHasThem(t *testing.T) {
	one, two := []byte{1}, []byte{2, 2}
	a := received(t, `52-["a",{"data":`+first+`,"more":`+second+`,"n":[1,{"x":null}]}]`, one, two)
	type plain struct {
		Data []byte
		More packet.Binary
		N    any
	}
	type pointers struct {
		Data *[]byte
		More *packet.Binary
	}
	n := []any{1.0, map[string]any{"x": nil}}
	more := packet.Binary(two)
	for name, c := range map[string]struct{ into, want any }{
		"fields":   {new(plain), &plain{one, two, n}},
		"pointers": {new(pointers), &pointers{&one, &more}},
		"any":      {new(any), ptr[any](map[string]any{"data": one, "more": two, "n": n})},
		"map":      {new(map[string]any), &map[string]any{"data": one, "more": two, "n": n}},
		"raw map":  {new(map[string]json.RawMessage), &map[string]json.RawMessage{"data": []byte(first), "more": []byte(second), "n": []byte(`[1,{"x":null}]`)}},
	} {
		if err := a.Decode(0, c.into); err != nil || !reflect.DeepEqual(c.into, c.want) {
			t.Errorf("%s: %+v, want %+v, %v", name, c.into, c.want, err)
		}
	}
}

func TestBytesArriveInListsAndAtTheTop(t *testing.T) {
	one, two := []byte{1}, []byte{2, 2}
	a := received(t, `52-["a",`+second+` ,[ 1 , `+first+` ],{"k" : `+"\n"+`"t"}]`, one, two)
	for i, c := range []struct {
		argument   int
		into, want any
	}{
		{0, new([]byte), &two},
		{0, new(packet.Binary), ptr(packet.Binary(two))},
		{0, new(any), ptr[any](two)},
		{1, new([]any), &[]any{1.0, one}},
		{1, new(any), ptr[any]([]any{1.0, one})},
		{2, new(any), ptr[any](map[string]any{"k": "t"})},
	} {
		if err := a.Decode(c.argument, c.into); err != nil || !reflect.DeepEqual(c.into, c.want) {
			t.Errorf("case %d: %+v, want %+v, %v", i, c.into, c.want, err)
		}
	}
}

// TestBytesAreAnAttachmentOrNull checks that a text is not taken for an attachment: Node hands it on as a
// text.
func TestBytesAreAnAttachmentOrNull(t *testing.T) {
	for _, a := range []packet.Args{
		received(t, `2["a","AQI=",null,{"data":"AQI="}]`),
		received(t, `51-["a","AQI=",null,{"data":"AQI="},`+first+"]", []byte{9}),
	} {
		var (
			text   []byte
			named  packet.Binary
			null   = []byte{1}
			within struct{ Data []byte }
		)
		if a.Decode(0, &text) == nil || a.Decode(0, &named) == nil || a.Decode(2, &within) == nil {
			t.Error("a text was taken for an attachment:", text, named, within)
		}
		if err := a.Decode(1, &null); err != nil || null != nil {
			t.Error(null, err)
		}
	}
}

func TestATimeIsWrittenAsJavaScriptWritesADate(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	for want, at := range map[string]time.Time{
		`"1970-01-01T00:00:00.000Z"`:    time.Unix(0, 0),
		`"2026-03-01T10:00:00.123Z"`:    time.Date(2026, 3, 1, 12, 0, 0, 123_999_999, east),
		`"+012026-03-01T10:00:00.000Z"`: time.Date(12026, 3, 1, 10, 0, 0, 0, time.UTC),
		`"-000044-03-15T10:00:00.000Z"`: time.Date(-44, 3, 15, 10, 0, 0, 0, time.UTC),
	} {
		if got := string(args(t, at).Raw(0)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := string(args(t, map[string]*time.Time{"at": &at}).Raw(0)); got != `{"at":`+want+"}" {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestValuesAreReadAsPeopleOfJavaScriptAndGoExpect(t *testing.T) {
	type message struct {
		Text    string
		RoomID  string `json:"room"`
		Retries int    `json:"retries,omitempty"`
	}
	for argument, want := range map[string]message{
		`{"text":"t"}`:                     {Text: "t"},
		`{"Text":"t","room":"r"}`:          {Text: "t", RoomID: "r"},
		`{"unknown":{"x":[1]},"text":"t"}`: {Text: "t"},
		`{"text":"a","text":"b"}`:          {Text: "b"},
		`{"text":"\ud800"}`:                {Text: "\ufffd"},
		`{"text":null,"retries":3}`:        {Retries: 3},
		`null`:                             {},
	} {
		var got message
		if err := received(t, `2["a",`+argument+"]").Decode(0, &got); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v, %v", argument, got, want, err)
		}
	}
}

func TestArgumentThatDoesNotFitIsAnError(t *testing.T) {
	for argument, into := range map[string]any{
		`"text"`: new(int), `{}`: new([]int), `1.5`: new(int), `300`: new(uint8), `[1]`: new([]byte),
		`1e400`: new(float64),
	} {
		if err := received(t, `2["a",`+argument+"]").Decode(0, into); err == nil {
			t.Errorf("%s fits %T", argument, into)
		}
	}
	if err := received(t, `51-["a",`+first+"]", []byte{1}).Decode(0, new(string)); err == nil {
		t.Error("an attachment fits a string")
	}
}

func TestMissingArgumentIsAnErrorOfItsOwn(t *testing.T) {
	var v any
	a := received(t, `2["a",1]`)
	for _, i := range []int{-1, 1, 1000} {
		if err := a.Decode(i, &v); !errors.Is(err, packet.ErrNoArgument) {
			t.Errorf("argument %d: %v", i, err)
		}
	}
}

func TestArgumentsPassThroughWithoutCopies(t *testing.T) {
	a := received(t, `51-["a",{"b" : 1}, `+first+"]", []byte("bytes"))
	passed := args(t, a)
	if &passed.Raw(0)[0] != &a.Raw(0)[0] || &passed.Attachments()[0][0] != &a.Attachments()[0][0] {
		t.Error("arguments were copied")
	}
	frame := packet.Encode(&packet.Packet{Type: packet.Ack, ID: 1, HasID: true, Args: passed}, packet.V5)
	if string(frame.Text) != `61-1[{"b" : 1}, `+first+"]" || &frame.Attachments[0][0] != &a.Attachments()[0][0] {
		t.Errorf("%s", frame.Text)
	}
}

func TestNoArgumentsAreNoArguments(t *testing.T) {
	for _, a := range []packet.Args{{}, args(t), args(t, packet.Args{}), args(t, packet.Args{}, packet.Args{})} {
		if a.Len() != 0 || a.Raw(0) != nil || a.Attachments() != nil {
			t.Errorf("%+v", a)
		}
	}
}

func TestAttachmentsAreSharedAndCannotGrowIntoEachOther(t *testing.T) {
	a := received(t, `51-["a",`+first+"]", []byte("bytes"))
	var b []byte
	if err := a.Decode(0, &b); err != nil || &b[0] != &a.Attachments()[0][0] || cap(b) != len(b) {
		t.Errorf("%v, cap %d", err, cap(b))
	}
	if raw := a.Raw(0); cap(raw) != len(raw) {
		t.Error("a raw argument can grow into its neighbour")
	}
}

func TestWhatCannotBeEncodedIsAnError(t *testing.T) {
	many := make([][]byte, packet.DefaultMaxAttachments+1)
	for i := range many {
		many[i] = []byte{1}
	}
	for name, v := range map[string]any{
		"not a number":                       math.NaN(),
		"channel":                            make(chan int),
		"more attachments than clients take": many,
		"an object like a placeholder":       map[string]any{"_placeholder": true, "num": 0},
		"raw JSON like a placeholder":        json.RawMessage(`{"_placeholder":true,"num":0}`),
		"escaped like a placeholder":         json.RawMessage(`{"\u005fplaceholder":true,"num":0}`),
		"one more than attachments":          []any{[]byte{1}, map[string]any{"_placeholder": true, "num": 0}},
		"broken raw JSON":                    json.RawMessage(`{"a"`),
	} {
		if a, err := packet.NewArgs("x", v); err == nil {
			t.Errorf("%s: %s", name, a.Raw(1))
		}
	}
}

func TestWordPlaceholderIsNotAnAttachment(t *testing.T) {
	a := args(t, "_placeholder", map[string]any{"_placeholder": 1}, []byte{1}, `{"_placeholder":true,"num":0}`)
	if a.Len() != 4 || len(a.Attachments()) != 1 {
		t.Errorf("%+v", a)
	}
	// Numbers move only in placeholders, not in text that looks like one.
	b := args(t, []byte{2}, a)
	want := `{"_placeholder":true,"num":0},"_placeholder",{"_placeholder":1},{"_placeholder":true,"num":1},` +
		`"{\"_placeholder\":true,\"num\":0}"`
	if text := packet.Encode(&packet.Packet{Type: packet.Ack, HasID: true, Args: b}, packet.V5).Text; string(text) != "62-0["+want+"]" {
		t.Errorf("%s", text)
	}
}

func TestStructTagsMeanWhatTheyMeanToEncodingJSON(t *testing.T) {
	v := struct {
		Zero   int           `json:"zero,omitempty"`
		False  bool          `json:"false,omitempty"`
		Empty  []byte        `json:"empty,omitempty"`
		Skip   string        `json:"-"`
		For    time.Duration `json:"for"`
		Quoted int64         `json:"quoted,string"`
	}{Skip: "s", For: time.Second, Quoted: 5}
	want, err := json.Marshal(v)
	if got := args(t, v).Raw(0); err != nil || string(got) != string(want) {
		t.Errorf("%s, want %s, %v", got, want, err)
	}
}

func TestFramesAreRenderedOnce(t *testing.T) {
	frame := packet.Encode(&packet.Packet{Type: packet.Event, Event: "a"}, packet.V5)
	renderings := 0
	render := func(f *packet.Frame) any { renderings++; return len(f.Text) }
	for range 3 {
		if got := frame.Rendering(render); got != len(`2["a"]`) {
			t.Errorf("rendering %v", got)
		}
	}
	if renderings != 1 {
		t.Errorf("rendered %d times", renderings)
	}
}

func ptr[T any](v T) *T { return &v }
