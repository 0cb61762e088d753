package settings

import (
	"reflect"
	"strings"
)

// Changed lists the keys whose values differ between two configurations of one type, in the order of its fields. Fields
// without a key are passed over.
func Changed(a, b any) (keys []string) {
	changed(reflect.ValueOf(a), reflect.ValueOf(b), "", func(key string) { keys = append(keys, key) })
	return keys
}

func changed(a, b reflect.Value, prefix string, f func(key string)) {
	for i := range a.NumField() {
		name, option, _ := strings.Cut(a.Type().Field(i).Tag.Get("koanf"), ",")
		switch {
		case option == "squash":
			changed(a.Field(i), b.Field(i), prefix, f)
		case name == "-" || name == "":
		case a.Field(i).Kind() == reflect.Struct:
			changed(a.Field(i), b.Field(i), prefix+name+".", f)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			f(prefix + name)
		}
	}
}

// Keep copies from one configuration into the other, to, the value of each key that keep names. Both point to configurations of the same type.
func Keep(to, from any, keep func(key string) bool) {
	kept(reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem(), "", keep)
}

func kept(to, from reflect.Value, prefix string, keep func(key string) bool) {
	for i := range to.NumField() {
		name, option, _ := strings.Cut(to.Type().Field(i).Tag.Get("koanf"), ",")
		switch {
		case option == "squash":
			kept(to.Field(i), from.Field(i), prefix, keep)
		case name == "-" || name == "":
		case to.Field(i).Kind() == reflect.Struct:
			kept(to.Field(i), from.Field(i), prefix+name+".", keep)
		case keep(prefix + name):
			to.Field(i).Set(from.Field(i))
		}
	}
}
