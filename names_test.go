package gatehouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exported are the names of a package that its users may write: functions,
// types, values as "Name", methods and fields as "Type.Name".
type exported map[string]bool

// Readers who move an application look names up in these pages, so each name
// in their tables and code must exist.
func TestMovingPagesNameWhatThereIs(t *testing.T) {
	known := map[string]exported{}
	for _, name := range []string{"namespaces", "handshake", "server", "packet", "bridge", "engine"} {
		known[name] = exportsOf(t, name)
	}
	for _, names := range known {
		names.addAliased(known)
	}
	variables := map[string][2]string{
		"s": {"namespaces", "Socket"}, "ns": {"namespaces", "Namespace"}, "srv": {"server", "Server"}, "h": {"bridge", "Server"},
	}
	count := 0
	for _, page := range []string{"docs/from-node.md", "docs/migrating-from-zishang520.md"} {
		for _, code := range ours(contents(t, page)) {
			for _, m := range called.FindAllStringSubmatch(code, -1) {
				count++
				if pkg, found := known[m[1]]; found && !pkg[m[2]] {
					t.Errorf("%s: %s has no %s", page, m[1], m[2])
				} else if v, found := variables[m[1]]; found && !known[v[0]][v[1]+"."+m[2]] {
					t.Errorf("%s: a %s.%s has no %s", page, v[0], v[1], m[2])
				}
			}
			for _, m := range literal.FindAllStringSubmatch(code, -1) {
				for field := range strings.SplitSeq(m[3], ", ") {
					if !known[m[1]][m[2]+"."+field] {
						t.Errorf("%s: %s.%s has no field %s", page, m[1], m[2], field)
					}
				}
			}
		}
	}
	if count < 100 {
		t.Fatalf("the pages name %d things, want at least 100", count)
	}
}

var (
	inline  = regexp.MustCompile("`([^`\n]+)`")
	called  = regexp.MustCompile(`\b(namespaces|handshake|server|packet|bridge|engine|s|ns|srv|h)\.([A-Z]\w*)`)
	literal = regexp.MustCompile(`\b(namespaces|handshake|server|packet|bridge|engine)\.([A-Z]\w*)\{([A-Z]\w*(?:, [A-Z]\w*)*)\}`)
)

// ours matches the code in the second column of the tables; the first column has the other library's.
func ours(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) > 2 {
			for _, m := range inline.FindAllStringSubmatch(strings.Join(cells[1:], " "), -1) {
				all = append(all, m[1])
			}
		}
	}
	return all
}

func exportsOf(t *testing.T, dir string) exported {
	t.Helper()
	names := exported{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			names.add(decl)
		}
	}
	return names
}

func (e exported) add(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d.Recv.List[0].Type) + "." + name
		}
		e[name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				e[spec.Name.Name] = true
				e.addFields(spec)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					e[name.Name] = true
				}
			}
		}
	}
}

// addAliased gives an alias the fields and methods of the other package's type: it is kept as "Alias=pkg.Type".
func (e exported) addAliased(known map[string]exported) {
	for entry := range maps.Clone(e) {
		alias, of, is := strings.Cut(entry, "=")
		if !is {
			continue
		}
		pkg, name, _ := strings.Cut(of, ".")
		for member := range known[pkg] {
			if rest, found := strings.CutPrefix(member, name+"."); found {
				e[alias+"."+rest] = true
			}
		}
	}
}

func (e exported) addFields(spec *ast.TypeSpec) {
	if of, ok := spec.Type.(*ast.SelectorExpr); ok && spec.Assign.IsValid() {
		e[spec.Name.Name+"="+of.X.(*ast.Ident).Name+"."+of.Sel.Name] = true
	}
	if fields, ok := spec.Type.(*ast.StructType); ok {
		for _, field := range fields.Fields.List {
			for _, name := range field.Names {
				e[spec.Name.Name+"."+name.Name] = true
			}
		}
	}
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
