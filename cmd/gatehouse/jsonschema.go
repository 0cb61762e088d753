package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

type configSchemaCommand struct{}

// Run prints a JSON Schema (draft 2020-12) of the configuration file.
func (configSchemaCommand) Run(p *program) error {
	s := objectSchema(reflect.TypeFor[settings]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Gatehouse configuration"
	addProperties(reflect.TypeFor[spaces](), s["properties"].(map[string]any))
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s\n", text)
	return err
}

// objectSchema describes a struct by the names that its fields have in the file.
func objectSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	addProperties(t, properties)
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func addProperties(t reflect.Type, to map[string]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		if name == "" {
			name, _, _ = strings.Cut(f.Tag.Get("yaml"), ",")
		}
		switch {
		case option == "squash":
			addProperties(f.Type, to)
		case name == "-" || name == "":
		default:
			to[name] = fieldSchema(f)
			if old := f.Tag.Get("was"); old != "" {
				to[old] = map[string]any{"type": []string{"array", "string"}, "deprecated": true, "description": "the old name of " + name}
			}
			if f.Type == secretType {
				if _, own := fileKey(t, name); !own {
					to[name+fileSuffix] = map[string]any{"type": "string", "description": "a file that holds " + name}
				}
			}
		}
	}
}

// fileKey finds a field that is called as the file of a secret would be.
func fileKey(t reflect.Type, name string) (reflect.StructField, bool) {
	return t.FieldByNameFunc(func(field string) bool {
		f, _ := t.FieldByName(field)
		return f.Tag.Get("koanf") == name+fileSuffix
	})
}

// fieldSchema describes a field, with its tags.
func fieldSchema(f reflect.StructField) map[string]any {
	s := typeSchema(f.Type)
	if unit := f.Tag.Get("unit"); unit != "" {
		s = map[string]any{"anyOf": []any{s, map[string]any{"type": "string"}}}
	}
	if doc := f.Tag.Get("doc"); doc != "" {
		s["description"] = doc
	}
	if words := f.Tag.Get("oneof"); words != "" {
		s["enum"] = strings.Split(words, ",")
	}
	if text := f.Tag.Get("default"); text != "" {
		if n, err := strconv.Atoi(text); err == nil {
			s["default"] = n
		} else {
			s["default"] = text
		}
	}
	return s
}

// typeSchema describes a value of a type in the file. Numbers and truth values
// may be texts, too, which variables fill in.
func typeSchema(t reflect.Type) map[string]any {
	switch {
	case t == durationType:
		return map[string]any{"type": "string", "pattern": `^-?([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$`}
	case t == secretType:
		return map[string]any{"type": "string"}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return map[string]any{"type": []string{"number", "string"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "string"}, "items": typeSchema(t.Elem())}
	case reflect.Float64:
		return map[string]any{"type": []string{"number", "string"}}
	case reflect.Bool:
		return map[string]any{"type": []string{"boolean", "string"}}
	case reflect.String:
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "integer"}
}
