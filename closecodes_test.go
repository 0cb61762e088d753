package gatehouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestCloseCodesAreTheSameEverywhere compares the close codes of packages that do
// not import each other (RFC 6455, section 7.4.1).
func TestCloseCodesAreTheSameEverywhere(t *testing.T) {
	values, files := map[string]string{}, map[string]int{}
	for _, file := range []string{"engine/close.go", "engine/internal/rfc6455/error.go", "namespaces/reasons.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			value, ok := spec.Values[0].(*ast.BasicLit)
			name := strings.ToLower(spec.Names[0].Name)
			code := strings.TrimPrefix(strings.TrimPrefix(name, "close"), "code")
			if !ok || code == name {
				return true
			}
			files[file]++
			if before, known := values[code]; known && before != value.Value {
				t.Errorf("%s: %s is %s, elsewhere it is %s", file, spec.Names[0].Name, value.Value, before)
			}
			values[code] = value.Value
			return true
		})
		if files[file] == 0 {
			t.Errorf("%s has no close codes", file)
		}
	}
}
