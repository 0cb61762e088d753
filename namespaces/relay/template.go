package relay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// template names rooms that a socket is in from its entry on: "org:{claims.org}". A
// claim that is a list names one room for each element; one that is missing names
// none.
type template struct {
	text     string
	literals []string
	paths    [][]string // the path of each hole, such as ["claims", "org"]
}

// holes are the variables that a template may name besides claims and the parts of
// the namespace.
var holes = []string{"sub", "name", "issuer", "scopes"}

// parseTemplate reads a template. parts are the variables of the namespace's own
// name.
func parseTemplate(text string, parts []string) (template, error) {
	t := template{text: text}
	rest := text
	lists := 0
	for {
		literal, behind, found := strings.Cut(rest, "{")
		t.literals = append(t.literals, literal)
		if !found {
			break
		}
		hole, after, closed := strings.Cut(behind, "}")
		if !closed {
			return t, fmt.Errorf("%q has a { without a }", text)
		}
		path := strings.Split(hole, ".")
		if !knownHole(path, parts) {
			return t, fmt.Errorf("%q: {%s} is not known; there are %s, claims.… and the parts of the namespace", text, hole, strings.Join(holes, ", "))
		}
		if path[0] == "claims" || path[0] == "scopes" {
			lists++
		}
		t.paths = append(t.paths, path)
		rest = after
	}
	switch {
	case text == "":
		return t, errors.New("is empty")
	case lists > 1:
		return t, fmt.Errorf("%q names more than one claim, and which elements of two lists belong together is not known; split it", text)
	case strings.ContainsFunc(text, unseen):
		return t, fmt.Errorf("%q holds a character that cannot be seen", text)
	}
	return t, nil
}

func knownHole(path, parts []string) bool {
	if path[0] == "claims" {
		return len(path) > 1
	}
	if len(path) > 1 {
		return false
	}
	for _, known := range append(parts, holes...) {
		if path[0] == known {
			return true
		}
	}
	return false
}

// mostRooms is how many rooms one template names at most.
const mostRooms = 100

// rooms returns the rooms that the template names for a user.
func (t *template) rooms(f *Facts) ([]string, error) {
	names := []string{t.literals[0]}
	for i, path := range t.paths {
		values, err := texts(f.lookup(path))
		if err != nil {
			return nil, fmt.Errorf("%q: %s %w", t.text, strings.Join(path, "."), err)
		}
		var next []string
		for _, value := range values {
			for _, name := range names {
				next = append(next, name+escape(value)+t.literals[i+1])
			}
		}
		names = next
	}
	if len(names) > mostRooms {
		return nil, fmt.Errorf("%q names %d rooms, at most %d are possible", t.text, len(names), mostRooms)
	}
	for i, name := range names {
		var err error
		if names[i], err = canonical(name); err != nil {
			return nil, fmt.Errorf("%q: %w", t.text, err)
		}
	}
	return names, nil
}

// texts returns the texts that a value stands for: none for a missing value and for
// null.
func texts(value any) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		return []string{v}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case []string:
		return v, nil
	case []any:
		var all []string
		for _, element := range v {
			if _, nested := element.([]any); nested {
				return nil, errors.New("is a list of lists")
			}
			some, err := texts(element)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		return all, nil
	}
	return nil, errors.New("is neither a text, a whole number, nor a list of them")
}
