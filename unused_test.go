package gatehouse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The functions that packages below an internal folder export, somebody imports them for.
func TestNothingIsExportedThatNobodyUses(t *testing.T) {
	folders, err := filepath.Glob("internal/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("%d packages, %v", len(folders), err)
	}
	below, err := filepath.Glob("*/internal/*")
	if err != nil || len(below) == 0 {
		t.Fatalf("%d packages below others, %v", len(below), err)
	}
	folders = append(folders, below...)
	used := usedNames(t)
	for _, folder := range folders {
		for _, name := range functionsOf(t, folder) {
			if qualified := filepath.Base(folder) + "." + name; !used[qualified] {
				t.Errorf("%s is used by no other package", qualified)
			}
		}
	}
}

// functionsOf are the exported functions of a package.
func functionsOf(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			for _, m := range function.FindAllStringSubmatch(contents(t, file), -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

var function = regexp.MustCompile(`(?m)^func ([A-Z]\w*)`)

var qualified = regexp.MustCompile(`\b[a-z]\w*\.[A-Z]\w*`)

// usedNames are the names with a package in front in all Go files here.
func usedNames(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		for _, name := range qualified.FindAllString(contents(t, path), -1) {
			used[name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}
