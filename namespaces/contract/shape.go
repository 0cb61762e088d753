package contract

import (
	"encoding"
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/packet"
)

// kind is the kind of a value in JavaScript.
type kind int

const (
	unknown kind = iota
	text
	moment // a text of RFC 3339
	number
	truth
	always // the truth value in is
	binary
	list   // its elements are in of
	record // any keys; its values are in of
	object // fields
	named  // the object name of a catalogue
)

// shape is what a type looks like to JavaScript.
type shape struct {
	kind     kind
	nullable bool
	is       bool
	of       *shape
	fields   []field
	name     string
}

// field is a member of an object.
type field struct {
	name     string
	shape    shape
	optional bool
}

// catalogue holds the objects that have a name. No two have the same.
type catalogue struct {
	names  map[reflect.Type]string
	types  map[string][]field
	sorted []string // names, in the order in which they were met
}

func newCatalogue() *catalogue {
	return &catalogue{names: make(map[reflect.Type]string), types: make(map[string][]field)}
}

var (
	argsType  = reflect.TypeFor[packet.Args]()
	timeType  = reflect.TypeFor[time.Time]()
	marshaler = reflect.TypeFor[json.Marshaler]()
	textual   = reflect.TypeFor[encoding.TextMarshaler]()
)

// shape returns what a type looks like; structs with a name are added to the catalogue.
func (c *catalogue) shape(t reflect.Type) shape {
	switch {
	case t.Kind() == reflect.Pointer:
		s := c.shape(t.Elem())
		s.nullable = s.kind != unknown
		return s
	case t == timeType:
		return shape{kind: moment}
	case t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler):
		return shape{kind: unknown}
	case t.Implements(textual) || reflect.PointerTo(t).Implements(textual):
		return shape{kind: text}
	}
	switch t.Kind() {
	case reflect.String:
		return shape{kind: text}
	case reflect.Bool:
		return shape{kind: truth}
	case reflect.Slice, reflect.Array:
		return c.several(t)
	case reflect.Map:
		of := c.shape(t.Elem())
		return shape{kind: record, of: &of}
	case reflect.Struct:
		return c.object(t)
	}
	if k := t.Kind(); k >= reflect.Int && k <= reflect.Float64 {
		return shape{kind: number}
	}
	return shape{kind: unknown}
}

// several is the shape of a slice or an array.
func (c *catalogue) several(t reflect.Type) shape {
	if t.Elem().Kind() != reflect.Uint8 {
		of := c.shape(t.Elem())
		return shape{kind: list, of: &of}
	}
	if t.Kind() == reflect.Array {
		return shape{kind: text} // base64
	}
	return shape{kind: binary, nullable: true}
}

// object is the shape of a struct. One with a name is in the catalogue before its fields are looked at, which may lead back
// to it.
func (c *catalogue) object(t reflect.Type) shape {
	if t.Name() == "" {
		return shape{kind: object, fields: c.fields(t)}
	}
	name, known := c.names[t]
	if !known {
		name = c.free(t)
		c.names[t], c.types[name] = name, nil
		c.sorted = append(c.sorted, name)
		c.types[name] = c.fields(t)
	}
	return shape{kind: named, name: name}
}

// genericPath matches the path before a type's name in the brackets of a generic type.
var genericPath = regexp.MustCompile(`[^\[\],]*[./]`)

// free returns a name that no other type has: the type's name, with the package's name before it or a number behind it
// if need be.
func (c *catalogue) free(t reflect.Type) string {
	name := exported(genericPath.ReplaceAllString(t.Name(), ""))
	if _, taken := c.types[name]; taken {
		name = exported(t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]) + name
	}
	first := name
	for i := 2; ; i++ {
		if _, taken := c.types[name]; !taken {
			return name
		}
		name = first + strconv.Itoa(i)
	}
}

// exported makes a name of letters and digits that begins with a capital one.
func exported(words string) string {
	var out strings.Builder
	for _, word := range strings.FieldsFunc(words, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first, size := utf8.DecodeRuneInString(word)
		out.WriteRune(unicode.ToUpper(first))
		out.WriteString(word[size:])
	}
	return out.String()
}

// fields are those that encoding/json would write, of embedded structs too. A field hides one of the same name further
// inside.
func (c *catalogue) fields(t reflect.Type) []field {
	own := make(map[string]bool)
	for i := range t.NumField() {
		if f := t.Field(i); !embeds(f) {
			own[jsonName(f)] = true
		}
	}
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case embeds(f):
			for _, inner := range c.fields(indirect(f.Type)) {
				if !own[inner.name] {
					out = append(out, inner)
				}
			}
		case f.IsExported() && f.Tag.Get("json") != "-":
			out = append(out, c.field(f))
		}
	}
	return out
}

// embeds reports whether encoding/json writes the fields of a field in its place.
func embeds(f reflect.StructField) bool {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return f.Anonymous && name == "" && indirect(f.Type).Kind() == reflect.Struct
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func jsonName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}

func (c *catalogue) field(f reflect.StructField) field {
	out := field{name: jsonName(f), shape: c.shape(f.Type)}
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty", "omitzero":
			out.optional, out.shape.nullable = true, false
		case "string":
			out.shape = shape{kind: text, nullable: out.shape.nullable}
		}
	}
	if is := f.Tag.Get("typed"); is != "" {
		out.shape = shape{kind: always, is: is == "true"}
	}
	return out
}
