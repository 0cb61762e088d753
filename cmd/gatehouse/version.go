package main

import "runtime/debug"

// unknownVersion is the version of a build without a release, module version or commit.
const unknownVersion = "devel"

// release is the version that a release is built as (go build -ldflags -X).
var release string

// version names the build: its release, else the module's version, else the commit that it was
// built from.
func version(info *debug.BuildInfo, ok bool) string {
	if release != "" {
		return release
	}
	if !ok {
		return unknownVersion
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+dirty"
		}
	}
	if commit == "" {
		return unknownVersion
	}
	return commit + changed
}
