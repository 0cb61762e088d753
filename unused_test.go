package gatehouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a package exports is used by another one, or the documentation or an example names it. Below an internal folder only use
// counts. A type is used, too, where its own package names it, and so are constants and variables, together with those that they
// are declared with.
func TestNothingIsExportedThatNobodyUses(t *testing.T) {
	tree := readTree(t)
	documented := documentedNames(t)
	for _, d := range tree.exported {
		folder := d.folder
		internal := strings.Contains("/"+d.folder+"/", "/internal/")
		used := tree.uses[d.name]
		switch {
		case used.elsewhere(folder):
		case d.method && (tree.promised[d.name] || foreignMethods[d.name]):
		case !internal && documented[d.name]:
		case d.isType && used[folder]:
		case slices.ContainsFunc(d.group, func(name string) bool {
			return tree.uses[name].elsewhere(folder) || !internal && tree.uses[name][folder]
		}):
		default:
			t.Errorf("%s: %s is used by no other package and not documented", d.folder, d.name)
		}
	}
}

// foreignMethods are asked for by interfaces of the standard library, and ResolveName by that of CEL.
var foreignMethods = map[string]bool{
	"Close": true, "Error": true, "Flush": true, "Format": true, "GoString": true, "Is": true, "LogValue": true, "MarshalJSON": true,
	"MarshalText": true, "Read": true, "ResolveName": true, "RoundTrip": true, "ServeHTTP": true, "String": true,
	"UnmarshalJSON": true, "UnmarshalText": true, "Unwrap": true, "Write": true,
}

// declared is one exported name.
type declared struct {
	folder, name   string
	method, isType bool
	group          []string // of constants or variables, those that are declared with it
}

// places says in which folders a name is used.
type places map[string]bool

// elsewhere reports a use outside a folder. Its tests are within, its examples are not.
func (p places) elsewhere(folder string) bool {
	for place := range p {
		if place != folder && place != folder+" tests" {
			return true
		}
	}
	return false
}

// tree is what all Go files here declare and use.
type tree struct {
	exported []declared
	uses     map[string]places
	promised map[string]bool // methods of interfaces
}

func readTree(t *testing.T) *tree {
	t.Helper()
	all := &tree{uses: map[string]places{}, promised: map[string]bool{}}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			all.add(path, file)
		}
		return err
	})
	if err != nil || len(all.exported) < 100 {
		t.Fatalf("%d exported names, %v", len(all.exported), err)
	}
	return all
}

// add takes what one file declares and uses.
func (all *tree) add(path string, file *ast.File) {
	folder, test := filepath.Dir(path), strings.HasSuffix(path, "_test.go")
	place := folder
	switch {
	case strings.HasPrefix(filepath.Base(path), "example"):
		place += " examples"
	case test:
		place += " tests"
	}
	own := map[*ast.Ident]bool{} // names where they are declared
	for _, declaration := range file.Decls {
		for name, d := range declarations(declaration) {
			own[name] = true
			if d.folder = folder; name.IsExported() && !test && library(folder, file) && !d.hidden() {
				all.exported = append(all.exported, d.declared)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					all.promised[name.Name], own[name] = true, true
				}
			}
		case *ast.Ident:
			if !own[n] {
				if all.uses[n.Name] == nil {
					all.uses[n.Name] = places{}
				}
				all.uses[n.Name][place] = true
			}
		}
		return true
	})
}

// library reports whether a folder has a package that others may import from here.
func library(folder string, file *ast.File) bool {
	return file.Name.Name != "main" && !regexp.MustCompile(`(^|/)(testdata|examples|bench)(/|$)`).MatchString(folder)
}

// found is a declaration; the methods of a type that is not exported are hidden.
type found struct {
	declared
	receiver string
}

func (f found) hidden() bool { return f.method && !ast.IsExported(f.receiver) }

// declarations are the names that a declaration makes.
func declarations(declaration ast.Decl) map[*ast.Ident]found {
	names := map[*ast.Ident]found{}
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		f := found{declared: declared{name: d.Name.Name, method: d.Recv != nil}}
		if d.Recv != nil {
			f.receiver = typeOf(d.Recv.List[0].Type)
		}
		names[d.Name] = f
	case *ast.GenDecl:
		var group []string
		for _, spec := range d.Specs {
			if values, ok := spec.(*ast.ValueSpec); ok {
				for _, name := range values.Names {
					group = append(group, name.Name)
				}
			}
		}
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names[spec.Name] = found{declared: declared{name: spec.Name.Name, isType: true}}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name] = found{declared: declared{name: name.Name, group: group}}
				}
			}
		}
	}
	return names
}

// typeOf is the name of a method's type.
func typeOf(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// documentedNames are the words of code in the documentation.
func documentedNames(t *testing.T) map[string]bool {
	t.Helper()
	words := map[string]bool{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		pages, err := filepath.Glob(pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(pages), err)
		}
		for _, page := range pages {
			for _, m := range regexp.MustCompile("[.`]([A-Z]\\w*)").FindAllStringSubmatch(contents(t, page), -1) {
				words[m[1]] = true
			}
		}
	}
	return words
}
