package packet

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// conventions are the rules between Go values and JSON that users of encoding/json and of JavaScript are used to. Nil
// slices become [], unknown members are ignored, HTML is not escaped.
func conventions() json.Options {
	return json.JoinOptions(
		jsontext.AllowDuplicateNames(true),        // of equal names the last one counts, as in JavaScript
		jsontext.AllowInvalidUTF8(true),           // invalid UTF-8 and single surrogates are replaced by U+FFFD
		json.Deterministic(true),                  // equal values give equal frames
		json.MatchCaseInsensitiveNames(true),      // fields without tags meet the lower case of JavaScript
		jsonv1.OmitEmptyWithLegacySemantics(true), // omitempty drops 0 and false too
		jsonv1.FormatDurationAsNano(true),
	)
}
