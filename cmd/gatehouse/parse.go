package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	flat "github.com/knadh/koanf/maps"

	"gatehouse/internal/unit"
)

// errForm says that a value does not have the form that its key expects.
var errForm = errors.New("wrong form")

// parse turns a value from a file, a variable or a flag into the field's type.
func (f field) parse(v any) (any, error) {
	parsed, err := f.convert(v)
	if errors.Is(err, errForm) {
		return nil, fmt.Errorf("%s: %s is not %s", f.key, f.shown(v), f.expected())
	}
	return parsed, err
}

func (f field) convert(v any) (any, error) {
	switch {
	case f.typ == durationType:
		return toDuration(v)
	case f.isSections():
		return f.toSections(v)
	case f.typ.Kind() == reflect.Bool:
		return toBool(v)
	case f.typ.Kind() == reflect.Slice:
		return toTexts(v)
	case f.typ.Kind() == reflect.String:
		return as[string](v)
	case f.typ.Kind() == reflect.Float64:
		return toFloat(v)
	default:
		return f.toInt(v)
	}
}

func as[T any](v any) (any, error) {
	if _, ok := v.(T); !ok {
		return nil, errForm
	}
	return v, nil
}

func toDuration(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, errForm // a bare number has no unit
	}
	return form(time.ParseDuration(strings.TrimSpace(s)))
}

func toBool(v any) (any, error) {
	if s, ok := v.(string); ok {
		return form(strconv.ParseBool(strings.TrimSpace(s)))
	}
	return as[bool](v)
}

// toFloat takes a number with or without a fraction.
func toFloat(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return float64(v), nil
	case string:
		return form(strconv.ParseFloat(strings.TrimSpace(v), 64))
	}
	return as[float64](v)
}

// toInt reads a number, or one with a unit as people write it.
func (f field) toInt(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return as[int](v)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return n, nil
	}
	n, err := 0.0, errForm
	switch f.tag.Get("unit") {
	case "bytes":
		n, err = unit.Size(s)
	case "per second", "bytes per second":
		n, err = unit.Rate(s)
	case "per minute":
		n, err = unit.Rate(s)
		n = math.Round(n*60*1e6) / 1e6 // 100/m is 100, not a little less
	}
	if err != nil || n != math.Trunc(n) {
		return nil, errForm
	}
	return int(n), nil
}

// form keeps the value, and drops the error's text.
func form[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, errForm
	}
	return v, nil
}

// toTexts takes a list, or one text with commas as a variable has it.
func toTexts(v any) (any, error) {
	if s, ok := v.(string); ok {
		return splitList(s), nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errForm
	}
	texts := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, errForm
		}
		texts = append(texts, s)
	}
	return texts, nil
}

func splitList(s string) []string {
	parts := strings.Split(s, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// toSections takes a list of sections and checks the keys of each.
func (f field) toSections(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errForm
	}
	sections := make([]any, 0, len(list))
	var wrong []error
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, errForm
		}
		good, err := parseSection(f.typ.Elem(), fmt.Sprintf("%s[%d].", f.key, i), m)
		if err != nil {
			wrong = append(wrong, err)
		}
		sections = append(sections, good)
	}
	return sections, errors.Join(wrong...)
}

// parseSection parses one section of a list, whose keys begin with prefix.
func parseSection(t reflect.Type, prefix string, section map[string]any) (map[string]any, error) {
	all := fields(t, prefix, nil)
	given, _ := flat.Flatten(section, nil, ".")
	good, err := parseKeys(all, prefix, given)
	if err != nil {
		return nil, err
	}
	return flat.Unflatten(good, "."), nil
}

// parseKeys parses all given values, and reports every mistake. prefix stands
// before each key of all; the result is without it.
func parseKeys(all []field, prefix string, given map[string]any) (map[string]any, error) {
	good := map[string]any{}
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(given)) { // sorted, so that the same mistake is named every time
		v := given[key]
		if v == nil || isEmptySection(v) {
			continue // "engine:" with nothing below it
		}
		key, value, err := parseGiven(all, prefix, key, given)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		good[key] = value
	}
	return good, errors.Join(wrong...)
}

// parseGiven parses the value of a key. The key may be an old name, or name the
// file of a secret. It returns the present key, whose value this is.
func parseGiven(all []field, prefix, key string, given map[string]any) (string, any, error) {
	if f, ok := renamed(all, prefix+key); ok {
		name := strings.TrimPrefix(f.key, prefix)
		if _, both := given[name]; both {
			return "", nil, fmt.Errorf("%s: is the old name of %s, which is set too; leave it out", f.was(), f.key)
		}
		value, err := f.parse(given[key])
		return name, value, err
	}
	if f, ok := secretOfFile(all, prefix+key); ok {
		name := strings.TrimSuffix(key, fileSuffix)
		value, err := f.readFile(given[key], given[name])
		return name, value, err
	}
	value, err := parseKey(all, prefix+key, given[key])
	return key, value, err
}

func parseKey(all []field, key string, v any) (any, error) {
	f, err := lookup(all, key)
	if err != nil {
		return nil, err
	}
	return f.parse(v)
}

func isEmptySection(v any) bool {
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}
