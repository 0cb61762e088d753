package gatehouse_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An exported identifier is used by another package, or named by the documentation or an example. Below an internal
// folder only use counts. A type counts as used where its own package names it, too, and so do constants and variables,
// together with those that they are declared with. go/types tells which identifiers are used, so that a method of one
// type is not taken for that of another.
func TestNothingIsExportedThatNobodyUses(t *testing.T) {
	tree := readTree(t)
	documented := documentedNames(t)
	for _, d := range tree.exported {
		folder := d.folder
		internal := strings.Contains("/"+d.folder+"/", "/internal/")
		used := tree.uses[d.key()]
		switch {
		case used.elsewhere(folder):
		case d.method && (tree.promised[d.name] || foreignMethods[d.name]):
		case !internal && documented[d.name]:
		case d.isType && used[folder]:
		case slices.ContainsFunc(d.group, func(name string) bool {
			one := tree.uses[identifier{folder, "", name}]
			return one.elsewhere(folder) || !internal && one[folder]
		}):
		default:
			t.Errorf("%s: %s is used by no other package and not documented", d.folder, strings.TrimPrefix(d.receiver+"."+d.name, "."))
		}
	}
}

// foreignMethods are required by interfaces of the standard library; Parent and ResolveName by one of CEL, Sync by one
// of zap.
var foreignMethods = map[string]bool{
	"Close": true, "Error": true, "Flush": true, "Format": true, "GoString": true, "Is": true, "LogValue": true, "MarshalJSON": true,
	"MarshalText": true, "Parent": true, "Read": true, "ResolveName": true, "RoundTrip": true, "ServeHTTP": true, "String": true, "Sync": true,
	"UnmarshalJSON": true, "UnmarshalText": true, "Unwrap": true, "Write": true,
}

// identifier is a name that a package declares; receiver is the type of a method.
type identifier struct{ folder, receiver, name string }

// declared is one exported name.
type declared struct {
	folder, name   string
	receiver       string // of a method
	method, isType bool
	group          []string // the constants or variables that are declared with it
}

func (d declared) key() identifier { return identifier{d.folder, d.receiver, d.name} }

// places says in which folders a name is used.
type places map[string]bool

// elsewhere reports a use outside a folder. The folder's tests count as inside, its examples as outside.
func (p places) elsewhere(folder string) bool {
	for place := range p {
		if place != folder && place != folder+" tests" {
			return true
		}
	}
	return false
}

// tree holds the names that all Go files here declare and use.
type tree struct {
	exported []declared
	uses     map[identifier]places
	promised map[string]bool // methods of interfaces

	fset    *token.FileSet
	folders map[string]string // import path → folder, of the packages of this module
	config  types.Config
}

func readTree(t *testing.T) *tree {
	t.Helper()
	all := &tree{uses: map[identifier]places{}, promised: map[string]bool{}, fset: token.NewFileSet(), folders: map[string]string{}}
	all.prepare(t)
	packages := map[[2]string][]string{} // folder and package name → paths
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(all.fset, path, nil, parser.SkipObjectResolution)
		if err == nil {
			in := [2]string{filepath.Dir(path), file.Name.Name}
			packages[in], files[path] = append(packages[in], path), file
			all.declares(path, file)
		}
		return err
	})
	if err != nil || len(all.exported) < 100 {
		t.Fatalf("%d exported names, %v", len(all.exported), err)
	}
	for in, paths := range packages {
		together := make([]*ast.File, len(paths))
		for i, path := range paths {
			together[i] = files[path]
		}
		all.check(in[0], together)
	}
	return all
}

// prepare finds what compiled packages export. Errors of types do not count: files for other systems are read as well, and
// packages that only tests import are not there.
func (all *tree) prepare(t *testing.T) {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{.Export}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[f[0]] = f[2]
		if folder, err := filepath.Rel(root, f[1]); err == nil && filepath.IsLocal(folder) {
			all.folders[f[0]] = folder
		}
	}
	all.config = types.Config{Error: func(error) {}, Importer: importer.ForCompiler(all.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
}

// check notes what the files of one package use.
func (all *tree) check(folder string, files []*ast.File) {
	own := folder
	for path, of := range all.folders {
		if of == folder && !strings.HasSuffix(files[0].Name.Name, "_test") {
			own = path
		}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	_, _ = all.config.Check(own, all.fset, files, info)
	for at, object := range info.Uses {
		name, ok := all.identify(object)
		if !ok {
			continue
		}
		if all.uses[name] == nil {
			all.uses[name] = places{}
		}
		all.uses[name][placeOf(all.fset.Position(at.Pos()).Filename)] = true
	}
}

// identify names an object of this module.
func (all *tree) identify(object types.Object) (identifier, bool) {
	if object.Pkg() == nil {
		return identifier{}, false
	}
	folder, ours := all.folders[object.Pkg().Path()]
	id := identifier{folder: folder, name: object.Name()}
	if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
		receiver := f.Origin().Signature().Recv().Type()
		if p, ok := receiver.(*types.Pointer); ok {
			receiver = p.Elem()
		}
		if named, ok := receiver.(*types.Named); ok {
			id.receiver = named.Obj().Name()
		}
	}
	return id, ours
}

// placeOf returns the place that a file counts for: its folder, the folder's tests or its examples.
func placeOf(path string) string {
	place := filepath.Dir(path)
	switch {
	case strings.HasPrefix(filepath.Base(path), "example"):
		place += " examples"
	case strings.HasSuffix(path, "_test.go"):
		place += " tests"
	}
	return place
}

// declares notes the declarations of one file.
func (all *tree) declares(path string, file *ast.File) {
	folder, test := filepath.Dir(path), strings.HasSuffix(path, "_test.go")
	for _, declaration := range file.Decls {
		for name, d := range declarations(declaration) {
			if d.folder = folder; name.IsExported() && !test && library(folder, file) && !d.hidden() {
				all.exported = append(all.exported, d)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if n, ok := n.(*ast.InterfaceType); ok {
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					all.promised[name.Name] = true
				}
			}
		}
		return true
	})
}

// library reports whether a folder has a package that others may import from here.
func library(folder string, file *ast.File) bool {
	return file.Name.Name != "main" && !regexp.MustCompile(`(^|/)(testdata|examples|bench)(/|$)`).MatchString(folder)
}

// hidden reports a method of a type that is not exported.
func (d declared) hidden() bool { return d.method && !ast.IsExported(d.receiver) }

// declarations are the names that a declaration makes.
func declarations(declaration ast.Decl) map[*ast.Ident]declared {
	names := map[*ast.Ident]declared{}
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		f := declared{name: d.Name.Name, method: d.Recv != nil}
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
				names[spec.Name] = declared{name: spec.Name.Name, isType: true}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name] = declared{name: name.Name, group: group}
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

// documentedNames returns the words of code in the documentation.
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
