package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// get asks h for a path with the headers given as name, value, name, value…
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, path, headers...)
}

func do(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func wantHeader(t *testing.T, w *httptest.ResponseRecorder, name, want string) {
	t.Helper()
	if got := w.Header().Get(name); got != want {
		t.Errorf("%s = %q, want %q", name, got, want)
	}
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Errorf("status = %d, want %d; body %q", w.Code, want, w.Body)
	}
}

func file(body string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(body)} }

// TestEmbedded holds for a clean clone and for a built tree: which of the two it is must not matter.
func TestEmbedded(t *testing.T) {
	_, err := os.Stat("dist/index.html")
	want := http.StatusOK
	if err != nil {
		want = http.StatusServiceUnavailable
	}
	wantStatus(t, get(Handler(), "/"), want)
	wantStatus(t, get(ClientBundle(), "/socket.io/socket.io.js"), http.StatusOK)
}

func TestNotBuiltSaysHowToBuild(t *testing.T) {
	w := get(newPages(fstest.MapFS{".gitkeep": file("")}), "/chat")
	wantStatus(t, w, http.StatusServiceUnavailable)
	wantHeader(t, w, "Cache-Control", "no-store")
	for _, command := range []string{"make run", "npm --prefix web"} {
		if !strings.Contains(w.Body.String(), command) {
			t.Errorf("the body does not name %q: %s", command, w.Body)
		}
	}
}

func TestNotBuiltPageMayUseItsOwnStyleOnly(t *testing.T) {
	w := get(newPages(fstest.MapFS{}), "/")
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "style-src 'sha256-") || strings.Contains(csp, "unsafe-inline") {
		t.Errorf("policy = %q", csp)
	}
	if n := strings.Count(w.Body.String(), "<style>"); n != 1 {
		t.Errorf("%d style elements, the policy knows one", n)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"":                    false,
		"gzip":                true,
		"deflate, GZIP":       true,
		"gzip;q=0.5":          true,
		"gzip; q=0":           false,
		"gzip;q=0.000":        false,
		"*":                   true,
		"*;q=0":               false,
		"gzip;q=0, *":         false,
		"br, identity;q=0.5":  false,
		"gzip-not-really":     false,
		"br;q=1.0, gzip;q=.8": true,
	} {
		if got := accepts([]string{header}, "gzip"); got != want {
			t.Errorf("Accept-Encoding %q: %v, want %v", header, got, want)
		}
	}
}
