package gatehouse_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// required finds a direct requirement of go.mod.
var required = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`)

func TestEveryDependencyIsNamedWithItsVersion(t *testing.T) {
	page := contents(t, "docs/dependencies.md")
	direct := required.FindAllStringSubmatch(contents(t, "go.mod"), -1)
	if len(direct) < 10 {
		t.Fatalf("go.mod has %d direct requirements, want at least 10", len(direct))
	}
	for _, m := range direct {
		path, version := m[1], m[2]
		_, row, named := strings.Cut(page, "`"+path+"`")
		row, _, _ = strings.Cut(row, "\n")
		if !named || !strings.Contains(row, version) {
			t.Errorf("docs/dependencies.md has no row of %s %s", path, version)
		}
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The advisories page names the modules that programs with package bridge compile.
func TestTheSecurityPageNamesTheQuicThatIsCompiled(t *testing.T) {
	_, version, _ := strings.Cut(contents(t, "go.mod"), "github.com/quic-go/quic-go ")
	version, _, _ = strings.Cut(version, " ")
	if !strings.Contains(contents(t, "SECURITY.md"), "`github.com/quic-go/quic-go` "+version+",") {
		t.Errorf("SECURITY.md does not name quic-go %s", version)
	}
}

// A program that embeds the server makes spans with the API of OpenTelemetry alone, unless it wants more.
func TestTheServerDoesNotCompileWhatSendsTraces(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./server").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		if strings.Contains(path, "otel/sdk") || strings.Contains(path, "otel/exporters") || strings.Contains(path, "google.golang.org/grpc") {
			t.Errorf("package server compiles %s", path)
		}
	}
}

// The bridge is for programs that ask for it: neither the binary nor a program that embeds the server
// compiles any of its dependencies.
func TestOnlyTheBridgeCompilesTheLibraryThatItBridges(t *testing.T) {
	for _, program := range []string{"./cmd/gatehouse", "./server"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.Lines(string(out)) {
			if strings.Contains(path, "zishang520") || strings.Contains(path, "gorilla/websocket") || strings.Contains(path, "quic-go") || strings.HasPrefix(path, "gatehouse/bridge") {
				t.Errorf("%s compiles %s", program, path)
			}
		}
	}
}
