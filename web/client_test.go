package web

import (
	"net/http"
	"testing"
	"testing/fstest"
)

func sampleClient() fstest.MapFS {
	fsys := fstest.MapFS{"VERSION": file("4.8.4\n"), "secret.js": file("no")}
	for _, name := range clientNames {
		fsys[name] = file("code of " + name)
		fsys[name+".gz"] = file("packed " + name)
		fsys[name+".br"] = file("brotli " + name)
		fsys[name+".map"] = file("{}")
	}
	return fsys
}

func TestClientHasTheNamesOfNodesServer(t *testing.T) {
	h := newClient(sampleClient())
	for _, name := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"} {
		for file, contentType := range map[string]string{
			name:          "application/javascript; charset=utf-8",
			name + ".map": "application/json; charset=utf-8",
		} {
			w := get(h, "/socket.io/"+file)
			wantStatus(t, w, http.StatusOK)
			wantHeader(t, w, "Content-Type", contentType)
			wantHeader(t, w, "Cache-Control", "public, max-age=0")
			wantHeader(t, w, "ETag", `"4.8.4"`)
			wantHeader(t, w, "X-Content-Type-Options", "nosniff")
		}
	}
	for _, path := range []string{"/socket.io/", "/socket.io/secret.js", "/socket.io/VERSION", "/socket.io/socket.io.js.gz", "/socket.io/socket.io.js.br"} {
		wantStatus(t, get(h, path), http.StatusNotFound)
	}
}

// Node's server compares If-None-Match with the version, strong or weak.
func TestClientRevalidatesByVersion(t *testing.T) {
	h := newClient(sampleClient())
	for tag, want := range map[string]int{
		`"4.8.4"`:   http.StatusNotModified,
		`W/"4.8.4"`: http.StatusNotModified,
		`"4.8.3"`:   http.StatusOK,
	} {
		for _, encoding := range []string{"", "gzip", "gzip, br"} {
			w := get(h, "/socket.io/socket.io.js?v=1", "If-None-Match", tag, "Accept-Encoding", encoding)
			wantStatus(t, w, want)
		}
	}
}

func TestClientCompressedAtBuildTime(t *testing.T) {
	for accept, want := range map[string]string{"gzip": "gzip", "gzip, br": "br", "br;q=0, gzip": "gzip"} {
		w := get(newClient(sampleClient()), "/socket.io/socket.io.min.js", "Accept-Encoding", accept)
		wantHeader(t, w, "Content-Encoding", want)
		wantHeader(t, w, "ETag", `W/"4.8.4"`)
		packed := map[string]string{"gzip": "packed", "br": "brotli"}[want]
		if w.Body.String() != packed+" socket.io.min.js" {
			t.Errorf("Accept-Encoding %q: body = %q", accept, w.Body)
		}
	}
}

func TestClientAnswersReadsOnly(t *testing.T) {
	h := newClient(sampleClient())
	w := do(h, http.MethodHead, "/socket.io/socket.io.js")
	wantStatus(t, w, http.StatusOK)
	if w.Body.Len() != 0 {
		t.Errorf("HEAD came with a body: %q", w.Body)
	}
	wantStatus(t, do(h, http.MethodPost, "/socket.io/socket.io.js"), http.StatusMethodNotAllowed)
}
