package namespaces_test

import (
	"context"
	"reflect"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

type newOrder struct {
	Item string `json:"item"`
}

func TestADefinitionSaysWhatItsHandlersTakeAndWhatItDeclares(t *testing.T) {
	define := func(ns *namespaces.Namespace) {
		namespaces.On(ns, "create", func(context.Context, *namespaces.Socket, newOrder) (int, error) { return 0, nil })
		namespaces.Handle2(ns, "move", func(context.Context, *namespaces.Socket, string, bool) error { return nil })
		namespaces.On(ns, "raw", func(context.Context, *namespaces.Socket, packet.Args) (packet.Args, error) { return packet.Args{}, nil })
		namespaces.Takes[newOrder, string](ns, "raw")
		namespaces.OnLater(ns, "later", func(context.Context, *namespaces.Socket, namespaces.None, *namespaces.Answer) error { return nil })
		namespaces.Emits2[string, int](ns, "counted")
		namespaces.Emits[namespaces.None](ns, "done")
		namespaces.Asks[string, bool](ns, "sure?")
	}
	alone := namespaces.New("/orders")
	define(alone)
	for label, def := range map[string]namespaces.Definition{
		"/orders": alone, "/orders-{org}": namespaces.NewFamily("/orders-{org}", define),
	} {
		d, err := namespaces.Describe(def)
		if err != nil || d.Label != label {
			t.Fatalf("%s: %+v, %v", label, d, err)
		}
		text, number, truth, order := reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[bool](), reflect.TypeFor[newOrder]()
		takes := []namespaces.EventType{
			{Name: "create", Args: []reflect.Type{order}, Reply: number, Asks: true},
			{Name: "later", Reply: reflect.TypeFor[any](), Asks: true},
			{Name: "move", Args: []reflect.Type{text, truth}},
			{Name: "raw", Args: []reflect.Type{order}, Reply: text, Asks: true},
		}
		emits := []namespaces.EventType{
			{Name: "counted", Args: []reflect.Type{text, number}},
			{Name: "done"},
			{Name: "sure?", Args: []reflect.Type{text}, Reply: truth, Asks: true},
		}
		if got := d.Takes[1:]; d.Takes[0].Name != "auth:refresh" || !reflect.DeepEqual(got, takes) {
			t.Errorf("%s takes %+v", label, got)
		}
		if got := d.Emits[2:]; d.Emits[0].Name != "auth:expiring" || !reflect.DeepEqual(got, emits) {
			t.Errorf("%s emits %+v", label, got)
		}
	}
}

func TestWhatCannotBeMountedCannotBeDescribed(t *testing.T) {
	reserved := namespaces.New("/a")
	namespaces.Emits[string](reserved, "auth:mine")
	for _, def := range []namespaces.Definition{
		reserved,
		namespaces.NewFamily("/{", func(*namespaces.Namespace) {}),
		namespaces.NewFamily("/{a}", func(*namespaces.Namespace) { panic("no") }),
	} {
		if d, err := namespaces.Describe(def); err == nil {
			t.Errorf("%+v", d)
		}
	}
}
