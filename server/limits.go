package server

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

// highestLimit is far above every useful value and far below what would overflow
// where limits are multiplied.
const highestLimit = 1 << 30

var durationType = reflect.TypeFor[time.Duration]()

// eachLimit calls f with every field below section that has a tag of a limit, and
// with its key.
func eachLimit(section reflect.Value, prefix string, f func(key string, tag reflect.StructTag, v reflect.Value)) {
	for i := range section.NumField() {
		field, v := section.Type().Field(i), section.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("koanf"), ",")
		switch {
		case name == "-" || name == "":
		case field.Tag.Get("doc") != "":
			f(prefix+name, field.Tag, v)
		case v.Kind() == reflect.Struct:
			eachLimit(v, prefix+name+".", f)
		}
	}
}

// fillLimits gives every limit that is not set its default, but those that follow
// from others.
func (c *Config) fillLimits() {
	eachLimit(reflect.ValueOf(c).Elem(), "", func(_ string, tag reflect.StructTag, v reflect.Value) {
		text := tag.Get("default")
		switch {
		case !v.IsZero() || text == "":
		case v.Kind() == reflect.String:
			v.SetString(text)
		default:
			v.SetInt(limitOf(v.Type(), text))
		}
	})
}

// checkLimits refuses what is outside the bounds of a limit.
func (c Config) checkLimits() error {
	var errs []error
	eachLimit(reflect.ValueOf(c), "", func(key string, tag reflect.StructTag, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Bool:
		case v.Kind() == reflect.String:
			if words := tag.Get("oneof"); words != "" {
				errs = append(errs, oneOf(key, v.String(), strings.Split(words, ",")...))
			}
		case v.Type() == durationType:
			errs = append(errs, checkDuration(key, tag, time.Duration(v.Int())))
		default:
			errs = append(errs, checkNumber(key, tag, v.Int()))
		}
	})
	return errors.Join(errs...)
}

func checkDuration(key string, tag reflect.StructTag, value time.Duration) error {
	least := time.Millisecond
	if text := tag.Get("min"); text != "" {
		least = time.Duration(limitOf(durationType, text))
	}
	switch {
	case value >= least:
		return nil
	case least == 0:
		return fmt.Errorf("%s: %v is negative; write a duration such as 10s, or 0 for none", key, value)
	case least == time.Millisecond:
		return fmt.Errorf("%s: %v is too short; write a duration such as 10s", key, value)
	}
	return fmt.Errorf("%s: %v is too short; write %v or more", key, value, least)
}

func checkNumber(key string, tag reflect.StructTag, value int64) error {
	lowest, highest := int64(1), int64(highestLimit)
	if text := tag.Get("min"); text != "" {
		lowest = limitOf(reflect.TypeFor[int](), text)
	}
	switch text := tag.Get("max"); text {
	case "":
	case "none":
		highest = math.MaxInt
	default:
		highest = limitOf(reflect.TypeFor[int](), text)
	}
	if value < lowest || value > highest {
		return fmt.Errorf("%s: %d is out of range; write a number from %d to %d", key, value, lowest, highest)
	}
	return nil
}

// limitOf reads a value of a tag. What a program's own tags say can be read; the
// tests fill every limit in.
func limitOf(t reflect.Type, text string) int64 {
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

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is unknown; write one of %s", key, value, strings.Join(allowed, ", "))
}
