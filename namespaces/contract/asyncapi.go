package contract

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"gatehouse/namespaces"
)

// document is an AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0), its fields in the order
// of the text.
type document struct {
	AsyncAPI           string         `yaml:"asyncapi"`
	Info               map[string]any `yaml:"info"`
	DefaultContentType string         `yaml:"defaultContentType"`
	Channels           map[string]any `yaml:"channels"`
	Operations         map[string]any `yaml:"operations"`
	Components         map[string]any `yaml:"components"`
}

const asyncAPIWords = `Events over Socket.IO 5. A channel is a namespace. The name of a message is the name of the event; its
payload is the argument of the event, or a list of the arguments where there are several. What is received is what
clients send. A reply is the acknowledgement. An event name with a * at its end stands for any rest.
`

// AsyncAPI returns an AsyncAPI 3.0 document, as YAML, of the events that clients of the namespaces send and get. title and
// version are the document's.
func AsyncAPI(w io.Writer, title, version string, all ...namespaces.Description) error {
	a := &asyncAPI{catalogue: newCatalogue(), channels: map[string]any{}, operations: map[string]any{}}
	for i, d := range all {
		id := exported(d.Label)
		if _, taken := a.channels[id]; taken || id == "" {
			id += "Root" + strconv.Itoa(i+1)
		}
		a.channel(id, d)
	}
	schemas := map[string]any{}
	for _, name := range a.sorted {
		schemas[name] = objectSchema(a.types[name])
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	err := e.Encode(document{
		AsyncAPI:           "3.0.0",
		Info:               map[string]any{"title": title, "version": version, "description": asyncAPIWords},
		DefaultContentType: "application/json",
		Channels:           a.channels, Operations: a.operations,
		Components: map[string]any{"schemas": schemas},
	})
	if err != nil {
		return fmt.Errorf("write AsyncAPI document: %w", err)
	}
	return e.Close()
}

type asyncAPI struct {
	*catalogue
	channels, operations map[string]any
}

func (a *asyncAPI) channel(id string, d namespaces.Description) {
	messages := map[string]any{}
	c := &channel{asyncAPI: a, id: id, messages: messages}
	for _, e := range d.Takes {
		reply := e.Reply
		if reply == nil {
			reply = d.Success
		}
		c.operation("receive", e, reply, d.Failure)
	}
	for _, e := range d.Emits {
		c.operation("send", e, e.Reply)
	}
	a.channels[id] = map[string]any{"address": d.Label, "messages": messages}
}

// channel is a channel that is being written.
type channel struct {
	*asyncAPI
	id       string
	messages map[string]any
}

// operation adds the sending or receiving of an event. The same name may be sent and received with different payloads,
// so both have a message of their own.
func (c *channel) operation(action string, e namespaces.EventType, replies ...reflect.Type) {
	id := action + ":" + e.Name
	c.messages[id] = map[string]any{"name": e.Name, "payload": c.payload(e.Args)}
	operation := map[string]any{"action": action, "channel": reference("channels", c.id), "messages": []any{c.message(id)}}
	if replies[0] != nil {
		var either []any
		for _, t := range replies {
			either = append(either, c.payload([]reflect.Type{t}))
		}
		payload := either[0]
		if len(either) > 1 {
			payload = map[string]any{"oneOf": either}
		}
		c.messages[id+":ack"] = map[string]any{"name": e.Name + " acknowledgement", "payload": payload}
		operation["reply"] = map[string]any{"channel": reference("channels", c.id), "messages": []any{c.message(id + ":ack")}}
	}
	c.operations[c.id+":"+id] = operation
}

func (c *channel) message(id string) any { return reference("channels", c.id, "messages", id) }

// pointed escapes the characters that have a meaning in a JSON pointer (RFC 6901, section 3).
var pointed = strings.NewReplacer("~", "~0", "/", "~1")

// reference points to another place of the document.
func reference(path ...string) map[string]any {
	at := "#"
	for _, step := range path {
		at += "/" + url.PathEscape(pointed.Replace(step))
	}
	return map[string]any{"$ref": at}
}

// payload is the schema of the arguments of an event.
func (a *asyncAPI) payload(args []reflect.Type) any {
	switch {
	case slices.Contains(args, argsType):
		return map[string]any{"description": "any arguments"}
	case len(args) == 0:
		return map[string]any{"type": "null"}
	case len(args) == 1:
		return schema(a.shape(args[0]))
	}
	items := make([]any, len(args))
	for i, t := range args {
		items[i] = schema(a.shape(t))
	}
	return map[string]any{"type": "array", "items": items, "minItems": len(args)}
}

// schema is the JSON Schema (draft 7, as AsyncAPI has it) of a shape.
func schema(s shape) map[string]any {
	if s.nullable {
		s.nullable = false
		return map[string]any{"oneOf": []any{schema(s), map[string]any{"type": "null"}}}
	}
	switch s.kind {
	case text:
		return map[string]any{"type": "string"}
	case moment:
		return map[string]any{"type": "string", "format": "date-time"}
	case number:
		return map[string]any{"type": "number"}
	case truth:
		return map[string]any{"type": "boolean"}
	case always:
		return map[string]any{"const": s.is}
	case binary:
		return map[string]any{"type": "string", "format": "binary"}
	case list:
		return map[string]any{"type": "array", "items": schema(*s.of)}
	case record:
		return map[string]any{"type": "object", "additionalProperties": schema(*s.of)}
	case object:
		return objectSchema(s.fields)
	case named:
		return reference("components", "schemas", s.name)
	}
	return map[string]any{"description": "any JSON"}
}

func objectSchema(fields []field) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fields {
		properties[f.name] = schema(f.shape)
		if !f.optional {
			required = append(required, f.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}
