package packet

import (
	"reflect"
	"strconv"
	"testing"
)

// The values of the tags, for configuration files, are those of the
// constants, for decoders.
func TestTheTagsOfLimitsAreTheirConstants(t *testing.T) {
	for name, want := range map[string][2]int{
		"MaxAttachments": {DefaultMaxAttachments, HighestMaxAttachments},
		"MaxDepth":       {DefaultMaxDepth, HighestMaxDepth},
		"MaxEventName":   {DefaultMaxEventName, HighestMaxEventName},
		"MaxNamespace":   {DefaultMaxNamespace, HighestMaxNamespace},
	} {
		field, _ := reflect.TypeFor[Limits]().FieldByName(name)
		if got := [2]string{field.Tag.Get("default"), field.Tag.Get("max")}; got != [2]string{strconv.Itoa(want[0]), strconv.Itoa(want[1])} {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
