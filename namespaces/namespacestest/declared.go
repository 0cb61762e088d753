package namespacestest

import (
	"reflect"
	"slices"
	"strings"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// declarations are the declared events of a test's namespaces, by label. Namespaces without declarations are not
// in it.
type declarations map[string][]namespaces.EventType

// declared collects what the definitions declare. Mistakes in them are the hub's to report.
func declared(defs []namespaces.Definition) declarations {
	const always = 2 // events of a session's life
	all := make(declarations)
	for _, def := range defs {
		if _, family := def.(*namespaces.Family); family {
			continue // a family's function is the application's, and is called when a client comes
		}
		if d, err := namespaces.Describe(def); err == nil && len(d.Emits) > always {
			all[d.Label] = d.Emits
		}
	}
	return all
}

// watch fails the test when a namespace emits an event that it has not declared.
func (all declarations) watch(t T) namespaces.Hooks {
	return namespaces.Hooks{Emitted: func(ns *namespaces.Namespace, e namespaces.Emitted) {
		emits, declared := all[ns.Label()]
		if declared && !slices.ContainsFunc(emits, func(d namespaces.EventType) bool { return fits(d, e) }) {
			t.Errorf("%s emits %q %s, which is not as it declares", ns.Label(), e.Event, e.Args.AppendJSON(nil))
		}
	}}
}

// fits reports whether an event fits a declaration.
func fits(d namespaces.EventType, e namespaces.Emitted) bool {
	start, isPattern := strings.CutSuffix(d.Name, "*")
	if d.Name != e.Event && (!isPattern || !strings.HasPrefix(e.Event, start)) {
		return false
	}
	if slices.Contains(d.Args, reflect.TypeFor[packet.Args]()) {
		return true
	}
	for i, t := range d.Args {
		if e.Args.Decode(i, reflect.New(t).Interface()) != nil {
			return false
		}
	}
	return e.Args.Len() == len(d.Args)
}
