package contract_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/namespaces"
	"gatehouse/namespaces/contract"
	"gatehouse/packet"
)

var update = flag.Bool("update", false, "write the files in testdata")

type (
	base struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
	}
	everything struct {
		base
		Kind     int               `json:"kind"` // hides base's
		At       time.Time         `json:"at"`
		Took     time.Duration     `json:"took"`
		Names    []string          `json:"names"`
		Counts   map[string]uint16 `json:"counts"`
		Picture  []byte            `json:"picture"`
		Sum      [4]byte           `json:"sum"`
		Parent   *everything       `json:"parent"`
		Maybe    *int              `json:"maybe,omitempty"`
		Big      int64             `json:"big,string"`
		Raw      json.RawMessage   `json:"raw"`
		Any      any               `json:"any"`
		Pair     pair[base, int]   `json:"pair"`
		Inline   struct{ A bool }  `json:"inline"`
		Odd      bool              `json:"odd-name"`
		OK       bool              `json:"ok" typed:"true"`
		Secret   string            `json:"-"`
		Untagged float32
	}
	pair[A, B any] struct {
		First  A `json:"first"`
		Second B `json:"second"`
	}
)

func definition() namespaces.Definition {
	ns := namespaces.New("/all")
	namespaces.On(ns, "whole", func(context.Context, *namespaces.Socket, everything) (*everything, error) { return nil, nil })
	namespaces.Handle3(ns, "three", func(context.Context, *namespaces.Socket, int, []base, *string) error { return nil })
	namespaces.On(ns, "any", func(_ context.Context, _ *namespaces.Socket, in packet.Args) (packet.Args, error) { return in, nil })
	namespaces.Handle(ns, "nothing", func(context.Context, *namespaces.Socket, namespaces.None) error { return nil })
	namespaces.Takes[packet.Args, any](ns, "work`:*")
	namespaces.Emits[base](ns, "say \"hi\"")
	namespaces.Asks[string, bool](ns, "sure?")
	namespaces.Emits2[any, base](ns, "*")
	return ns
}

func TestWhatIsWritten(t *testing.T) {
	d, err := namespaces.Describe(definition())
	if err != nil {
		t.Fatal(err)
	}
	other, err := namespaces.Describe(namespaces.New("/"))
	if err != nil {
		t.Fatal(err)
	}
	var script, both, document strings.Builder
	if err := contract.TypeScript(&script, d); err != nil {
		t.Fatal(err)
	}
	if err := contract.TypeScript(&both, other, d); err != nil {
		t.Fatal(err)
	}
	if err := contract.AsyncAPI(&document, "All", "1", d, other); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"all.ts": script.String(), "both.ts": both.String(), "all.yaml": document.String()} {
		golden(t, filepath.Join("testdata", name), got)
	}
}

// golden compares a text with a file, or writes it there.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("%s is not what is made (%v); go test -update writes it\n%s", file, err, got)
	}
}
