package namespaces

import (
	"encoding/json"
	"reflect"
)

// carriedData is a value of SetData from another node, as JSON that no Data call has decoded yet.
type carriedData json.RawMessage

// carry encodes a value of SetData for other nodes. It returns nil for a value of a type that JSON does not carry whole, which
// stays on this node, and false when the value cannot be encoded.
func carry(data any) (json.RawMessage, bool) {
	switch data := data.(type) {
	case nil:
		return nil, true
	case carriedData:
		return json.RawMessage(data), true
	}
	if !carriable(reflect.TypeOf(data)) {
		return nil, true
	}
	text, err := json.Marshal(data)
	return text, err == nil
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// carriable reports whether values of a type can go to another node. That holds for basic types, slices, maps, structs of exported
// fields, types that write themselves as JSON, and interfaces, whose values may be of any type.
func carriable(t reflect.Type) bool { return carriableUpTo(t, 8) }

func carriableUpTo(t reflect.Type, depth int) bool {
	if depth == 0 || t.Implements(marshaler) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return carriableUpTo(t.Elem(), depth-1)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); !f.IsExported() || !carriableUpTo(f.Type, depth-1) {
				return false
			}
		}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return false
	}
	return true
}

// unpack decodes carried data as a T, if possible.
func unpack[T any](data carriedData) (v T, ok bool) {
	if !carriable(reflect.TypeFor[T]()) || json.Unmarshal(data, &v) != nil {
		var none T
		return none, false
	}
	return v, true
}
