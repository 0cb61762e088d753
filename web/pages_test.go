package web

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

func sampleBuild() fstest.MapFS {
	return fstest.MapFS{
		".gitkeep":                     file(""),
		"index.html":                   file("<!doctype html>chat"),
		"index.html.gz":                file("packed chat"),
		"auth-lab.html":                file("<!doctype html>lab"),
		"admin.html":                   file("<!doctype html>operators"),
		"assets/admin-abc123.js":       file("operate()"),
		"favicon.svg":                  file("<svg/>"),
		"assets/index-abc123.js":       file("go()"),
		"assets/index-abc123.css":      file("body{}"),
		"client/VERSION":               file("4.8.4"),
		"client/socket.io.js":          file("io"),
		"assets/font-abc123.unheardof": file("?"),
	}
}

func TestPagesServeTheBuild(t *testing.T) {
	h := newPages(sampleBuild())
	for _, tc := range []struct{ path, contentType, cache, body string }{
		{"/", "text/html; charset=utf-8", "no-cache", "chat"},
		{"/auth-lab", "text/html; charset=utf-8", "no-cache", "lab"},
		{"/favicon.svg", "image/svg+xml", "no-cache", "<svg/>"},
		{"/assets/index-abc123.js", "application/javascript; charset=utf-8", forever, "go()"},
		{"/assets/index-abc123.css", "text/css; charset=utf-8", forever, "body{}"},
		{"/assets/font-abc123.unheardof", "application/octet-stream", forever, "?"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			w := get(h, tc.path)
			wantStatus(t, w, http.StatusOK)
			wantHeader(t, w, "Content-Type", tc.contentType)
			wantHeader(t, w, "Cache-Control", tc.cache)
			if !strings.HasSuffix(w.Body.String(), tc.body) {
				t.Errorf("body = %q", w.Body)
			}
		})
	}
}

func TestPagesHideWhatIsNoPage(t *testing.T) {
	h := newPages(sampleBuild())
	for _, path := range []string{
		"/admin", "/assets/admin-abc123.js", "/nothing", "/.gitkeep", "/index.html.gz", "/client/socket.io.js", "/client/VERSION", "/assets/", "/assets", "/../web.go",
	} {
		wantStatus(t, get(h, path), http.StatusNotFound)
	}
}

func TestOperatorsHaveAPageOfTheirOwn(t *testing.T) {
	h := newOperatorsPage(sampleBuild())
	for _, path := range []string{"/admin", "/assets/admin-abc123.js", "/favicon.svg"} {
		w := get(h, path)
		wantStatus(t, w, http.StatusOK)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", path, csp)
		}
	}
	for _, path := range []string{"/", "/auth-lab", "/client/socket.io.js"} {
		wantStatus(t, get(h, path), http.StatusNotFound)
	}
	wantStatus(t, get(newOperatorsPage(fstest.MapFS{}), "/admin"), http.StatusServiceUnavailable)
}

func TestPagesAnswerReadsOnly(t *testing.T) {
	h := newPages(sampleBuild())
	w := do(h, http.MethodHead, "/")
	wantStatus(t, w, http.StatusOK)
	if w.Body.Len() != 0 {
		t.Errorf("HEAD came with a body: %q", w.Body)
	}
	w = do(h, http.MethodPost, "/")
	wantStatus(t, w, http.StatusMethodNotAllowed)
	wantHeader(t, w, "Allow", "GET, HEAD")
}

func TestPagesRevalidate(t *testing.T) {
	h := newPages(sampleBuild())
	tag := get(h, "/").Header().Get("ETag")
	if len(tag) < 10 {
		t.Fatalf("ETag = %q", tag)
	}
	wantStatus(t, get(h, "/", "If-None-Match", tag), http.StatusNotModified)
	wantStatus(t, get(h, "/", "If-None-Match", `"other"`), http.StatusOK)

	changed := sampleBuild()
	changed["index.html"] = file("<!doctype html>changed")
	wantStatus(t, get(newPages(changed), "/", "If-None-Match", tag), http.StatusOK)
}

func TestPagesSendTheCompressedFormToWhoTakesIt(t *testing.T) {
	h := newPages(sampleBuild())
	w := get(h, "/", "Accept-Encoding", "br, gzip")
	wantHeader(t, w, "Content-Encoding", "gzip")
	wantHeader(t, w, "Vary", "Accept-Encoding")
	wantHeader(t, w, "Content-Type", "text/html; charset=utf-8")
	if w.Body.String() != "packed chat" {
		t.Errorf("body = %q", w.Body)
	}
	plain := get(h, "/")
	wantHeader(t, plain, "Content-Encoding", "")
	wantHeader(t, plain, "Vary", "Accept-Encoding")
	wantStatus(t, get(h, "/", "Accept-Encoding", "gzip", "If-None-Match", plain.Header().Get("ETag")), http.StatusNotModified)

	w = get(h, "/assets/index-abc123.js", "Accept-Encoding", "gzip")
	wantHeader(t, w, "Content-Encoding", "")
	if w.Body.String() != "go()" {
		t.Errorf("body of a file without compressed form = %q", w.Body)
	}
}

func TestPagesCarrySecurityHeaders(t *testing.T) {
	h := newPages(sampleBuild())
	for _, path := range []string{"/", "/assets/index-abc123.js", "/nothing"} {
		w := get(h, path)
		wantHeader(t, w, "X-Content-Type-Options", "nosniff")
		wantHeader(t, w, "X-Frame-Options", "DENY")
		wantHeader(t, w, "Referrer-Policy", "no-referrer")
		csp := w.Header().Get("Content-Security-Policy")
		for _, directive := range []string{
			"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' ws: wss:",
			"frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(csp, directive) {
				t.Errorf("%s: policy lacks %q: %s", path, directive, csp)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy allows something unsafe: %s", path, csp)
		}
	}
}
