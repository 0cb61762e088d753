// Package settings fills and checks the fields of configuration structs by
// their tags, so that a limit is written once.
//
// A limit is a field with the tag doc, its meaning. Its other tags are: koanf, its name in the file;
// default, its value where it is zero; derived, the source of a default that follows from others (see
// [Deriver]); min and max, its bounds (from 1 to 1 GiB, or from 1ms, where there are none); atleast and
// atmost, the names of fields beside it that bound it; oneof, its possible words; unit, its unit, for
// sizes and rates. The tables of docs/configuration.md are made of them too.
package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"gatehouse/internal/unit"
)

// Highest is the largest number where no tag says another: far above every useful
// value and far below what would overflow where limits are multiplied.
const Highest = 1 << 30

// Deriver is a struct with fields whose defaults follow from others. Derive is
// called when those have theirs, possibly more than once.
type Deriver interface{ Derive() }

var durationType = reflect.TypeFor[time.Duration]()

// Naming says how errors name a field.
type Naming int

// The choices of Naming: by section and name in the file, or by the name in Go.
// Keys skips fields that have no name in the file.
const (
	Keys Naming = iota
	Fields
)

// of returns the name of a field, "" when it has none.
func (n Naming) of(field reflect.StructField) string {
	if n == Fields {
		return field.Name
	}
	key, _, _ := strings.Cut(field.Tag.Get("koanf"), ",")
	return strings.TrimPrefix(key, "-")
}

// setting is one field.
type setting struct {
	name   string // as errors name it
	prefix string // prefix of the names of its section
	by     Naming
	tag    reflect.StructTag
	value  reflect.Value
	beside reflect.Value // the struct that it is in
}

// each calls f with every field that has the tag doc, in section and the
// sections below it, and then done with the section.
func each(section reflect.Value, prefix string, by Naming, f func(setting), done func(reflect.Value)) {
	for i := range section.NumField() {
		field, v := section.Type().Field(i), section.Field(i)
		name := by.of(field)
		switch {
		case field.Anonymous && v.Kind() == reflect.Struct:
			each(v, prefix, by, f, done)
		case name == "" || !field.IsExported():
		case field.Tag.Get("doc") != "":
			f(setting{name: prefix + name, prefix: prefix, by: by, tag: field.Tag, value: v, beside: section})
		case v.Kind() == reflect.Struct:
			each(v, prefix+name+".", by, f, done)
		}
	}
	done(section)
}

// Fill gives every unset field of a struct its default. It panics when a tag cannot be read.
func Fill(config any) {
	each(reflect.ValueOf(config).Elem(), "", Fields, fill, func(section reflect.Value) {
		if d, ok := section.Addr().Interface().(Deriver); ok {
			d.Derive()
		}
	})
}

func fill(s setting) {
	text := s.tag.Get("default")
	switch {
	case !s.value.IsZero() || text == "":
	case s.value.Kind() == reflect.String:
		s.value.SetString(text)
	default:
		s.value.SetInt(read(s.value.Type(), text))
	}
}

// Check refuses values outside the bounds of their fields, in a struct whose
// defaults are filled in.
func Check(config any, by Naming) error {
	var errs []error
	each(reflect.ValueOf(config), "", by, func(s setting) { errs = append(errs, s.check()) }, func(reflect.Value) {})
	return errors.Join(errs...)
}

func (s setting) check() error {
	switch {
	case s.value.Kind() == reflect.Bool:
		return nil
	case s.value.Kind() == reflect.String:
		if words := s.tag.Get("oneof"); words != "" {
			return oneOf(s.name, s.value.String(), strings.Split(words, ","))
		}
		return nil
	case s.value.Type() == durationType:
		return errors.Join(s.checkDuration(), s.checkBeside())
	default:
		return errors.Join(s.checkNumber(), s.checkBeside())
	}
}

func (s setting) checkDuration() error {
	value, least := time.Duration(s.value.Int()), time.Millisecond
	if text := s.tag.Get("min"); text != "" {
		least = time.Duration(read(durationType, text))
	}
	if text := s.tag.Get("max"); text != "" && value > time.Duration(read(durationType, text)) {
		return fmt.Errorf("%s: %v is too long; write %s or less", s.name, value, text)
	}
	switch {
	case value >= least:
		return nil
	case least == 0:
		return fmt.Errorf("%s: %v is negative; write a duration such as 10s, or 0 for none", s.name, value)
	case least == time.Millisecond:
		return fmt.Errorf("%s: %v is too short; write a duration such as 10s", s.name, value)
	}
	return fmt.Errorf("%s: %v is too short; write %v or more", s.name, value, least)
}

func (s setting) checkNumber() error {
	value, lowest, highest := s.value.Int(), int64(1), int64(Highest)
	if text := s.tag.Get("min"); text != "" {
		lowest = read(reflect.TypeFor[int](), text)
	}
	switch text := s.tag.Get("max"); text {
	case "":
	case "none":
		highest = math.MaxInt
	default:
		highest = read(reflect.TypeFor[int](), text)
	}
	if value < lowest || value > highest {
		return fmt.Errorf("%s: %d is out of range; write a number from %d to %d", s.name, value, lowest, highest)
	}
	return nil
}

// checkBeside compares a field with those that its tags name.
func (s setting) checkBeside() error {
	if other, name := s.neighbour("atleast"); name != "" && s.value.Int() < other.Int() {
		return fmt.Errorf("%s: %v is below %s (%v); make it larger", s.name, s.value, name, other)
	}
	if other, name := s.neighbour("atmost"); name != "" && s.value.Int() > other.Int() {
		return fmt.Errorf("%s: %v is above %s (%v); make it smaller", s.name, s.value, name, other)
	}
	return nil
}

// neighbour returns the field that a tag names by its Go name, and its name in errors.
func (s setting) neighbour(tag string) (value reflect.Value, name string) {
	field, ok := s.beside.Type().FieldByName(s.tag.Get(tag))
	if !ok {
		return reflect.Value{}, ""
	}
	return s.beside.FieldByIndex(field.Index), s.prefix + s.by.of(field)
}

// read reads a value of a tag.
func read(t reflect.Type, text string) int64 {
	if t == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		return int64(d)
	}
	n, err := unit.Size(text)
	if err != nil {
		panic(err)
	}
	return int64(n)
}

func oneOf(key, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is unknown; write one of %s", key, value, strings.Join(allowed, ", "))
}
