package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/history"
	"gatehouse/presence"
)

// document is the part of the description that the tests read.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Scope       string `json:"x-scope"`
		Parameters  []struct{ Name, In string }
		RequestBody *struct{}
		Responses   map[string]json.RawMessage
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Properties           map[string]json.RawMessage
	Required             []string
	AdditionalProperties *bool
}

func described(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" {
		t.Fatalf("openapi: %q", d.OpenAPI)
	}
	return d
}

func TestTheDocumentHasTheRoutes(t *testing.T) {
	d := described(t)
	a := &API{deps: Deps{Revocations: http.NotFoundHandler()}}
	found := 0
	for _, one := range a.table() {
		op, ok := d.Paths[one.path][strings.ToLower(one.method)]
		if !ok {
			t.Errorf("%s %s is not described", one.method, one.path)
			continue
		}
		found++
		if op.Scope != one.scope || op.OperationID == "" || op.Responses["200"] == nil || op.Responses["default"] == nil {
			t.Errorf("%s %s: described as %+v, needs the scope %q", one.method, one.path, op, one.scope)
		}
		if (op.RequestBody != nil) != (one.method != http.MethodGet) {
			t.Errorf("%s %s: has a body %v", one.method, one.path, op.RequestBody != nil)
		}
		for _, p := range op.Parameters {
			if (p.In == "path") != strings.Contains(one.path, "{"+p.Name+"}") {
				t.Errorf("%s %s: parameter %s is in the %s", one.method, one.path, p.Name, p.In)
			}
		}
	}
	all := 0
	for _, methods := range d.Paths {
		all += len(methods)
	}
	if all != found {
		t.Errorf("%d operations are described, %d are there", all, found)
	}
}

// typed are the types of the schemas. Schemas of requests allow no other members; schemas of answers
// name the members that are always there.
var typed = map[string]struct {
	of   any
	read bool
}{
	"Operation": {Operation{}, true}, "Ack": {Ack{}, true}, "Moving": {Moving{}, true}, "Disconnecting": {Disconnecting{}, true},
	"Published": {of: Published{}}, "Result": {of: Result{}}, "Answer": {of: Answer{}}, "Changed": {of: Changed{}},
	"SocketInfo": {of: SocketInfo{}}, "SocketPage": {of: SocketPage{}}, "RoomInfo": {of: RoomInfo{}}, "RoomPage": {of: RoomPage{}},
	"Member": {of: presence.Member{}}, "MemberPage": {of: MemberPage{}}, "Position": {of: history.Position{}},
	"HistoryEntry": {of: HistoryEntry{}}, "HistoryPage": {of: HistoryPage{}}, "UserSockets": {of: UserSockets{}},
	"UserNamespace": {of: UserNamespace{}}, "Failure": {of: Failure{}}, "Reason": {of: Reason{}},
}

// members are the JSON names of a type, and which of them are always there.
func members(t reflect.Type) (all, always []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			a, b := members(f.Type)
			all, always = append(all, a...), append(always, b...)
		case name != "-":
			all = append(all, name)
			if options == "" {
				always = append(always, name)
			}
		}
	}
	slices.Sort(all)
	slices.Sort(always)
	return slices.Compact(all), slices.Compact(always)
}

func TestTheDocumentHasTheFieldsOfTheTypes(t *testing.T) {
	schemas := described(t).Components.Schemas
	for name, one := range typed {
		s, ok := schemas[name]
		if !ok {
			t.Errorf("%s is not described", name)
			continue
		}
		all, always := members(reflect.TypeOf(one.of))
		var described []string
		for field := range s.Properties {
			described = append(described, field)
		}
		slices.Sort(described)
		slices.Sort(s.Required)
		if !slices.Equal(described, all) {
			t.Errorf("%s: described %v, the type has %v", name, described, all)
		}
		if len(s.Required)+len(always) > 0 && !slices.Equal(s.Required, always) {
			t.Errorf("%s: always there are by the description %v, by the type %v", name, s.Required, always)
		}
		if closed := s.AdditionalProperties != nil && !*s.AdditionalProperties; closed != one.read {
			t.Errorf("%s: closed %v, is read %v", name, closed, one.read)
		}
	}
	for name := range schemas {
		if _, known := typed[name]; !known && name != "Revocation" {
			t.Errorf("%s is described and no type", name)
		}
	}
}

func TestEveryReferenceOfTheDocumentLeadsSomewhere(t *testing.T) {
	schemas := described(t).Components.Schemas
	for _, part := range strings.Split(string(OpenAPI), `"$ref": "#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := schemas[name]; !ok {
			t.Errorf("there is no schema %s", name)
		}
	}
}
