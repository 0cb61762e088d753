package packet_test

import (
	"strings"

	"gatehouse/packet"
)

// decodeCase is a session's messages, text as string and binary as []byte, with the expected packets. Where the
// result differs from Node's, differs says why.
type decodeCase struct {
	name    string
	frames  []any
	refused packet.Reason // of the last message; empty when it is accepted
	differs string
}

const (
	useless    = "Node hands on a packet that no handler can do anything with"
	exactForm  = "Node converts with Number(), which takes far more than digits"
	ambiguous  = "Node takes white space for the digit 0 of an acknowledgement id"
	misread    = "what looks like an attachment must be one, for every receiver alike"
	unused     = "bytes that no argument can reach"
	noMeaning  = "the id has no meaning there; Node ignores it"
	noSurprise = "Node has no such limit"
)

func one(name, text string) decodeCase { return decodeCase{name: name, frames: []any{text}} }

func (c decodeCase) not(reason packet.Reason) decodeCase { c.refused = reason; return c }

func (c decodeCase) unlike(why string) decodeCase { c.differs = why; return c }

func (c decodeCase) then(frames ...any) decodeCase { c.frames = append(c.frames, frames...); return c }

const (
	first  = `{"_placeholder":true,"num":0}`
	second = `{"_placeholder":true,"num":1}`
)

func decodeCases() []decodeCase {
	var cases []decodeCase
	for _, group := range [][]decodeCase{
		headerCases(), idCases(), connectCases(), eventCases(), nameCases(), jsonCases(), attachmentCases(), placeholderCases(),
	} {
		cases = append(cases, group...)
	}
	return cases
}

func headerCases() []decodeCase {
	return []decodeCase{
		one("empty packet", "").not(packet.Empty).unlike("Node takes it for CONNECT to /"),
		one("white space as type", " ").not(packet.UnknownType).unlike("Node takes it for CONNECT to /"),
		one("type 7", `7["a"]`).not(packet.UnknownType),
		one("type 9", "9").not(packet.UnknownType),
		one("letter as type", "a").not(packet.UnknownType),
		one("minus as type", "-1").not(packet.UnknownType),
		one("namespace", `2/chat,["a"]`),
		one("namespace that ends the packet", "0/chat"),
		one("namespace / written out", `2/,["a"]`),
		one("namespace with several slashes", `2/a/b,["a"]`),
		one("namespace with a query keeps it", "0/chat?token=1,"),
		one("namespace in UTF-8", `2/ß,["a"]`),
		one("namespace swallows what comes before the comma", `2/chat["a"]`).not(packet.MissingPayload).unlike(useless),
		one("namespace of 256 bytes", "0/"+strings.Repeat("n", 255)+","),
		one("namespace of 257 bytes", "0/"+strings.Repeat("n", 256)+",").not(packet.NamespaceTooLong).unlike(noSurprise),
	}
}

func idCases() []decodeCase {
	return []decodeCase{
		one("id 0", `20["a"]`),
		one("id", `212["a"]`),
		one("id with leading zeros", `2007["a"]`),
		one("id 2^53-1", `29007199254740991["a"]`),
		one("id 2^53", `29007199254740992["a"]`).not(packet.BadID).unlike("JavaScript cannot tell such ids apart"),
		one("id of 40 digits", "2"+strings.Repeat("9", 40)+`["a"]`).not(packet.BadID).
			unlike("JavaScript cannot tell such ids apart"),
		one("negative id", `2-1["a"]`).not(packet.BadPayload),
		one("fraction as id", `21.5["a"]`).not(packet.BadPayload),
		one("space before the payload", `2 ["a"]`).not(packet.BadPayload).unlike(ambiguous),
		one("space behind the id", `21 ["a"]`).not(packet.BadPayload).unlike(ambiguous),
		one("id behind a namespace", `2/chat,5["a"]`),
		one("id on CONNECT", `01{"a":1}`).not(packet.UnexpectedID).unlike(noMeaning),
		one("id on DISCONNECT", "11").not(packet.UnexpectedID).unlike(noMeaning),
		one("id on CONNECT_ERROR", `41{"message":"m"}`).not(packet.UnexpectedID).unlike(noMeaning),
	}
}

func connectCases() []decodeCase {
	return []decodeCase{
		one("CONNECT", "0"),
		one("CONNECT with payload", `0{"token":"t"}`),
		one("CONNECT to a namespace with payload", `0/chat,{"token":"t","n":{"a":[1]}}`),
		one("CONNECT with an array", "0[]").not(packet.BadPayload),
		one("CONNECT with a string", `0"a"`).not(packet.BadPayload),
		one("CONNECT with null", "0null").not(packet.BadPayload),
		one("CONNECT with half an object", `0{"a":`).not(packet.InvalidJSON),
		one("CONNECT with something behind the payload", `0{"a":1}x`).not(packet.TrailingBytes),
		one("CONNECT payload with white space behind", `0{"a":1} `),
		one("CONNECT payload that looks like a placeholder", `0{"a":`+first+`}`),
		one("DISCONNECT", "1"),
		one("DISCONNECT of a namespace", "1/chat,"),
		one("DISCONNECT of a namespace without comma", "1/chat"),
		one("DISCONNECT with payload", "1{}").not(packet.UnexpectedPayload),
		one("CONNECT_ERROR with an object", `4{"message":"Not authorized","data":{"code":"x"}}`),
		one("CONNECT_ERROR with a string", `4"Not authorized"`),
		one("CONNECT_ERROR of a namespace", `4/chat,{"message":"Invalid namespace"}`),
		one("CONNECT_ERROR with a number", "4[1]").not(packet.BadPayload),
		one("CONNECT_ERROR without payload", "4").not(packet.MissingPayload).unlike(useless),
	}
}

func eventCases() []decodeCase {
	return []decodeCase{
		one("event", `2["a"]`),
		one("event with arguments", `2["a",1,"b",null,true,{"c":[1.5e3,-0]}]`),
		one("event with white space", "2[ \"a\" ,\t1 , [ ] , { } ]\r\n"),
		one("event without payload", "2").not(packet.MissingPayload).unlike(useless),
		one("event with id and without payload", "21").not(packet.MissingPayload).unlike(useless),
		one("event with an object", `2{"a":1}`).not(packet.BadPayload),
		one("event with a string", `2"a"`).not(packet.BadPayload),
		one("event with an empty array", "2[]").not(packet.BadEventName),
		one("acknowledgement", `31["a",{"b":2}]`),
		one("acknowledgement without arguments", "31[]"),
		one("acknowledgement of a namespace", `3/chat,12[]`),
		one("acknowledgement without id", `3["a"]`).not(packet.MissingID).unlike(useless),
		one("acknowledgement without anything", "3").not(packet.MissingID).unlike(useless),
		one("acknowledgement without payload", "31").not(packet.MissingPayload).unlike(useless),
		one("acknowledgement with an object", "31{}").not(packet.BadPayload),
	}
}

func nameCases() []decodeCase {
	cases := []decodeCase{
		one("numeric event name", "2[1,2]").unlike("the name arrives as its digits; Node's emitter looks it up by them too"),
		one("null as event name", "2[null]").not(packet.BadEventName),
		one("true as event name", "2[true]").not(packet.BadEventName),
		one("array as event name", `2[["a"]]`).not(packet.BadEventName),
		one("object as event name", `2[{"a":1}]`).not(packet.BadEventName),
		one("empty event name", `2[""]`).not(packet.EmptyEventName).unlike("no handler can mean it"),
		one("event name with escapes", `2["a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]`),
		one("event name with a single surrogate", `2["\ud800"]`),
		one("event name of 256 bytes", `2["`+strings.Repeat("n", 256)+`"]`),
		one("event name of 257 bytes", `2["`+strings.Repeat("n", 257)+`"]`).not(packet.EventNameTooLong).unlike(noSurprise),
		one("event name of 257 escapes", `2["`+strings.Repeat(`\u006e`, 257)+`"]`).not(packet.EventNameTooLong).
			unlike(noSurprise),
		one("reserved event name in escapes", `2["\u0063onnect"]`).not(packet.ReservedEventName),
		one("nearly reserved event name", `2["Connect"]`),
	}
	for _, name := range []string{
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
	} {
		cases = append(cases, one("reserved event name "+name, `2["`+name+`"]`).not(packet.ReservedEventName))
	}
	return cases
}

func jsonCases() []decodeCase {
	cases := []decodeCase{
		one("something behind the array", `2["a"]x`).not(packet.TrailingBytes),
		one("two arrays", `2["a"]["b"]`).not(packet.TrailingBytes),
		one("the same member twice", `2["a",{"b":1,"b":2}]`),
		one("member __proto__", `2["a",{"__proto__x":{"b":1}}]`),
		one("number beyond a double", `2["a",1e400]`).unlike("decoding it into a number is an error; Node has Infinity"),
		one("64 levels", `2["a",`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+"]"),
		one("65 levels", `2["a",`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"]").not(packet.TooDeep).unlike(noSurprise),
		one("65 levels of objects", `2["a",`+strings.Repeat(`{"a":`, 64)+"1"+strings.Repeat("}", 64)+"]").
			not(packet.TooDeep).unlike(noSurprise),
		one("65 levels in CONNECT", `0`+strings.Repeat(`{"a":`, 65)+"1"+strings.Repeat("}", 65)).
			not(packet.TooDeep).unlike(noSurprise),
	}
	for _, broken := range []string{
		`[`, `["a"`, `["a",`, `["a",]`, `["a",,1]`, `[,"a"]`, `["a" 1]`, `["a"}`, `["a",{]`, `["a",{"b"}]`, `["a",{"b":}]`,
		`["a",{"b":1,}]`, `["a",{"b":1]]`, `["a",[1}]`, `["a",{b:1}]`, `["a",{1:1}]`, `["a]`, `["a\x"]`, `["\u12g4"]`, `["\u12`,
		"[\"a\tb\"]", "[\"a\nb\"]", `['a']`, `["a",01]`, `["a",1.]`, `["a",.5]`, `["a",+1]`, `["a",-]`, `["a",1e]`, `["a",1e+]`,
		`["a",NaN]`, `["a",Infinity]`, `["a",tru]`, `["a",nulll]`, `["a",undefined]`, `["a",0x10]`, "[\"a\",\u00a01]", `["a"/**/]`,
	} {
		cases = append(cases, one("broken JSON "+broken, "2"+broken).not(packet.InvalidJSON))
	}
	return cases
}

func attachmentCases() []decodeCase {
	event := func(count string) string { return "5" + count + `["a",` + first + "]" }
	return []decodeCase{
		one("binary event", event("1-")).then([]byte{1, 2, 3}),
		one("binary event with an empty attachment", event("1-")).then([]byte{}),
		one("binary event with namespace and id", `51-/chat,7["a",`+first+"]").then([]byte{1}),
		one("binary acknowledgement", `61-7[`+first+"]").then([]byte{1}),
		one("binary event still waiting", event("1-")),
		one("binary event after a binary event", event("1-")).then([]byte{1}, event("1-"), []byte{2}),
		one("450- of the hostile corpus", "50-").not(packet.BadAttachmentCount),
		one("no attachments announced", `50-["a"]`).not(packet.BadAttachmentCount),
		one("451- of the hostile corpus", "51-").not(packet.MissingPayload).unlike(useless),
		one("451- and a binary frame", "51-").not(packet.MissingPayload).unlike(useless),
		one("binary acknowledgement without id", `61-[`+first+"]").not(packet.MissingID).unlike(useless),
		one("no attachment count", `5["a"]`).not(packet.BadAttachmentCount),
		one("attachment count without dash", "51").not(packet.BadAttachmentCount),
		one("empty attachment count", event("-")).not(packet.BadAttachmentCount),
		one("negative attachment count", event("-1-")).not(packet.BadAttachmentCount),
		one("fraction as attachment count", event("1.5-")).not(packet.BadAttachmentCount),
		one("letters as attachment count", event("abc-")).not(packet.BadAttachmentCount),
		one("huge attachment count", event("99999999999999999999-")).not(packet.TooManyAttachments),
		one("11 attachments", event("11-")).not(packet.TooManyAttachments),
		one("attachment count 01", event("01-")).then([]byte{1}),
		one("attachment count 1.0", event("1.0-")).not(packet.BadAttachmentCount).unlike(exactForm),
		one("attachment count 1e0", event("1e0-")).not(packet.BadAttachmentCount).unlike(exactForm),
		one("attachment count 0x1", event("0x1-")).not(packet.BadAttachmentCount).unlike(exactForm),
		one("attachment count +1", event("+1-")).not(packet.BadAttachmentCount).unlike(exactForm),
		one("attachment count with a space", event(" 1-")).not(packet.BadAttachmentCount).unlike(exactForm),
		one("text while an attachment is awaited", event("1-")).then(`2["b"]`).not(packet.AttachmentsAwaited),
		one("binary with none awaited", `2["a"]`).then([]byte{1}).not(packet.UnexpectedBinary),
		one("one attachment too many", event("1-")).then([]byte{1}, []byte{2}).not(packet.UnexpectedBinary),
	}
}

func placeholderCases() []decodeCase {
	return []decodeCase{
		one("placeholders nested anywhere", `52-["a",{"b":[1,{"c":`+first+`}]},[`+second+"]]").then([]byte{1}, []byte{2}),
		one("placeholders out of order", `52-["a",`+second+","+first+"]").then([]byte{1}, []byte{2}),
		one("placeholder with its members swapped", `51-["a",{"num":0,"_placeholder":true}]`).then([]byte{1}),
		one("placeholder with white space", `51-["a",{ "_placeholder" : true , "num" : 0 }]`).then([]byte{1}),
		one("member _placeholder that is not true", `51-["a",{"_placeholder":false,"num":0},`+first+"]").then([]byte{1}),
		one("member _placeholder as string", `2["a",{"_placeholder":"true","num":0}]`),
		one("placeholder in an event without attachments", `2["a",`+first+"]").not(packet.PlaceholderRange).unlike(misread),
		one("placeholder in an acknowledgement without attachments", `31[`+first+"]").not(packet.PlaceholderRange).
			unlike(misread),
		one("placeholder out of range", `51-["a",`+second+"]").then([]byte{1}).not(packet.PlaceholderRange),
		one("placeholder with a huge number", `51-["a",{"_placeholder":true,"num":99999999999999999999}]`).
			then([]byte{1}).not(packet.PlaceholderRange),
		one("placeholder with a negative number", `51-["a",{"_placeholder":true,"num":-1}]`).then([]byte{1}).
			not(packet.BadPlaceholder),
		one("placeholder with a string", `51-["a",{"_placeholder":true,"num":"0"}]`).then([]byte{1}).
			not(packet.BadPlaceholder),
		one("placeholder without number", `51-["a",{"_placeholder":true}]`).then([]byte{1}).not(packet.BadPlaceholder),
		one("placeholder with a fraction", `51-["a",{"_placeholder":true,"num":0.5}]`).then([]byte{1}).
			not(packet.BadPlaceholder).unlike("Node puts undefined there"),
		one("placeholder with another member", `51-["a",{"_placeholder":true,"num":0,"x":1}]`).then([]byte{1}).
			not(packet.BadPlaceholder).unlike(misread),
		one("placeholder in escapes", `51-["a",{"\u005fplaceholder":true,"num":0}]`).then([]byte{1}).
			not(packet.BadPlaceholder).unlike(misread),
		one("two placeholders for one attachment", `51-["a",`+first+","+first+"]").then([]byte{1}).
			not(packet.PlaceholderTwice).unlike(misread),
		one("attachment without placeholder", `51-["a"]`).then([]byte{1}).not(packet.PlaceholderMissing).unlike(unused),
		one("one placeholder for two attachments", `52-["a",`+first+"]").then([]byte{1}, []byte{2}).
			not(packet.PlaceholderMissing).unlike(unused),
		one("placeholder as event name", `51-[`+first+"]").then([]byte{1}).not(packet.BadEventName),
	}
}
