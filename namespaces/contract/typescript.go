package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gatehouse/namespaces"
)

// TypeScript writes types of the events: for each description the interfaces ClientToServerEvents and ServerToClientEvents,
// which are what io() and Socket of socket.io-client take, and the types that stand in them. With several descriptions the
// name of each namespace stands before those of its interfaces: ChatClientToServerEvents.
//
// A handler that answers with a value has an acknowledgement that a client must ask for; where it says only that all
// went well, the client need not ask. An event name with a * at its end becomes an index signature.
func TypeScript(w io.Writer, all ...namespaces.Description) error {
	t := &typescript{catalogue: newCatalogue()}
	var interfaces bytes.Buffer
	prefixes := prefixesOf(all)
	for i, d := range all {
		t.interfaces(&interfaces, prefixes[i], d)
	}
	var out bytes.Buffer
	out.WriteString("// Made by gatehouse types. Do not edit: change the handlers and make it anew.\n")
	out.Write(interfaces.Bytes())
	slices.Sort(t.sorted)
	for _, name := range t.sorted {
		fmt.Fprintf(&out, "\nexport interface %s {\n", name)
		for _, f := range t.types[name] {
			fmt.Fprintf(&out, "  %s;\n", t.member(f))
		}
		out.WriteString("}\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

// prefixesOf returns the prefix for the names of each namespace's interfaces: none where there is one namespace only.
func prefixesOf(all []namespaces.Description) []string {
	prefixes := make([]string, len(all))
	for i, d := range all {
		if len(all) == 1 {
			break
		}
		prefix := exported(d.Label)
		if prefix == "" {
			prefix = "Root" // "/"
		}
		for n := 2; slices.Contains(prefixes, prefix); n++ {
			prefix = exported(d.Label) + strconv.Itoa(n)
		}
		prefixes[i] = prefix
	}
	return prefixes
}

type typescript struct{ *catalogue }

func (t *typescript) interfaces(out *bytes.Buffer, prefix string, d namespaces.Description) {
	fmt.Fprintf(out, "\n// What clients of the namespace %s send.\nexport interface %sClientToServerEvents {\n", d.Label, prefix)
	for _, e := range d.Takes {
		success := e.Reply
		if success == nil {
			success = d.Success
		}
		fmt.Fprintf(out, "  %s: %s;\n", eventKey(e.Name), t.signature(e, success, d.Failure))
	}
	fmt.Fprintf(out, "}\n\n// What clients of the namespace %s get.\nexport interface %sServerToClientEvents {\n", d.Label, prefix)
	for _, e := range d.Emits {
		fmt.Fprintf(out, "  %s: %s;\n", eventKey(e.Name), t.signature(e, e.Reply, nil))
	}
	out.WriteString("}\n")
}

// eventKey is the name of an event as a key of an interface.
func eventKey(name string) string {
	start, any := strings.CutSuffix(name, "*")
	switch {
	case !any:
		return quoted(name)
	case start == "":
		return "[event: string]"
	}
	literal := strings.NewReplacer("\\", "\\\\", "`", "\\`", "${", "\\${").Replace(start)
	return "[event: `" + literal + "${string}`]"
}

// signature is the type of an event's listener. success is the content of the acknowledgement when all went well, nil
// when there is no acknowledgement; failure is its content otherwise, or nil.
func (t *typescript) signature(e namespaces.EventType, success, failure reflect.Type) string {
	if slices.Contains(e.Args, argsType) || strings.TrimRight(e.Name, "*") == "" {
		return "(...args: any[]) => void"
	}
	var params []string
	for i, arg := range e.Args {
		name := "data"
		if len(e.Args) > 1 {
			name += strconv.Itoa(i + 1)
		}
		optional := ""
		if arg.Kind() == reflect.Pointer && i == len(e.Args)-1 && !e.Asks {
			optional = "?"
		}
		params = append(params, name+optional+": "+t.text(t.shape(arg)))
	}
	if success != nil {
		reply := "(...reply: any[]) => void"
		if success != argsType {
			reply = "(reply: " + t.reply(success, failure) + ") => void"
		}
		optional := "?"
		if e.Asks {
			optional = ""
		}
		params = append(params, "ack"+optional+": "+reply)
	}
	return "(" + strings.Join(params, ", ") + ") => void"
}

func (t *typescript) reply(success, failure reflect.Type) string {
	text := t.text(t.shape(success))
	if failure == nil || text == "unknown" {
		return text
	}
	return text + " | " + t.text(t.shape(failure))
}

func (t *typescript) text(s shape) string {
	text := t.plain(s)
	if s.nullable {
		text += " | null"
	}
	return text
}

func (t *typescript) plain(s shape) string {
	switch s.kind {
	case text, moment:
		return "string"
	case number:
		return "number"
	case truth:
		return "boolean"
	case always:
		return strconv.FormatBool(s.is)
	case binary:
		return "ArrayBuffer | Uint8Array"
	case list:
		return "Array<" + t.text(*s.of) + ">"
	case record:
		return "{ [key: string]: " + t.text(*s.of) + " }"
	case object:
		if len(s.fields) == 0 {
			return "object"
		}
		members := make([]string, len(s.fields))
		for i, f := range s.fields {
			members[i] = t.member(f)
		}
		return "{ " + strings.Join(members, "; ") + " }"
	case named:
		return s.name
	}
	return "unknown"
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func (t *typescript) member(f field) string {
	name := f.name
	if !identifier.MatchString(name) {
		name = quoted(name)
	}
	if f.optional {
		name += "?"
	}
	return name + ": " + t.text(f.shape)
}

// quoted is a text literal of JavaScript: JSON is one.
func quoted(text string) string {
	out, _ := json.Marshal(text) // of a text: cannot fail
	return string(out)
}
