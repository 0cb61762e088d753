package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[handshake.Secret]()
)

// field is one key of the configuration: the type that it takes and where its
// value stands in the struct.
type field struct {
	key   string
	typ   reflect.Type
	tag   reflect.StructTag // tags that internal/settings also reads
	index []int
}

// schema returns every key, in the order of settings.
func schema() []field { return fields(reflect.TypeFor[settings](), "", nil) }

// fields returns the keys that the koanf tags of a struct type declare.
func fields(t reflect.Type, section string, above []int) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		index := append(slices.Clone(above), i)
		switch {
		case name == "-":
		case option == "squash":
			all = append(all, fields(f.Type, section, index)...)
		case f.Type.Kind() == reflect.Struct:
			all = append(all, fields(f.Type, section+name+".", index)...)
		default:
			all = append(all, field{section + name, f.Type, f.Tag, index})
		}
	}
	return all
}

// was is the former key of the field; empty when there was no other.
func (f field) was() string {
	old := f.tag.Get("was")
	if old == "" {
		return ""
	}
	return f.key[:strings.LastIndex(f.key, ".")+1] + old
}

// renamed finds the field that had a key before.
func renamed(all []field, key string) (field, bool) {
	i := slices.IndexFunc(all, func(f field) bool { return key != "" && f.was() == key })
	if i < 0 {
		return field{}, false
	}
	return all[i], true
}

// lookup finds a key, or suggests the one that may have been meant.
func lookup(all []field, key string) (field, error) {
	keys := make([]string, 0, len(all))
	for _, f := range all {
		if f.key == key {
			return f, nil
		}
		if strings.HasPrefix(f.key, key+".") {
			return field{}, fmt.Errorf("%s is a section: write its keys below it, such as %s", key, f.key)
		}
		keys = append(keys, f.key)
	}
	return field{}, unknown("key", key, keys)
}

// isSections says that the field is a list of sections, which have keys of
// their own.
func (f field) isSections() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// expected says in words which values the field takes.
func (f field) expected() string {
	switch {
	case f.typ == durationType:
		return `a duration such as "25s" or "1m30s"`
	case f.isSections():
		return "a list of sections, as only the file can have it"
	case f.typ.Kind() == reflect.Bool:
		return "true or false"
	case f.typ.Kind() == reflect.Slice:
		return "a list of texts"
	case f.typ.Kind() == reflect.String:
		return "a text (in quotes if it looks like a number)"
	}
	if f.typ.Kind() == reflect.Float64 {
		return "a number such as 0.1"
	}
	if form, ok := unitForms[f.tag.Get("unit")]; ok {
		return form
	}
	return "a whole number"
}

// unitForms says for each unit how its numbers may be written.
var unitForms = map[string]string{
	"bytes":            `a number of bytes, or a size such as "256KiB"`,
	"bytes per second": `a number of bytes in a second, or a rate such as "256KiB/s"`,
	"per second":       `a number in a second, or a rate such as "20/s"`,
	"per minute":       `a number in a minute, or a rate such as "100/m"`,
}

// shown returns a value for an error message.
func (f field) shown(v any) string {
	if f.typ == secretType || f.isSections() {
		return "the value (not shown)"
	}
	return fmt.Sprintf("%#v", v)
}
