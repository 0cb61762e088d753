package web

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// clientControl is what Node's server sends: caches may keep it and ask every time.
const clientControl = "public, max-age=0"

// clientNames are the bundles that Node's server hands out.
var clientNames = []string{
	"socket.io.js",
	"socket.io.min.js",
	"socket.io.esm.min.js",
	"socket.io.msgpack.min.js",
}

type client struct {
	assets map[string]*asset // by the last element of the request's path
}

// newClient serves the bundles found in fsys, all under the version that fsys names in VERSION.
func newClient(fsys fs.FS) http.Handler {
	c := &client{assets: make(map[string]*asset)}
	version, err := fs.ReadFile(fsys, "VERSION")
	if err != nil {
		panic("web: embedded client: " + err.Error()) // it is in the repository: cannot happen
	}
	for _, name := range clientNames {
		for _, file := range []string{name, name + ".map"} {
			if _, err := fs.Stat(fsys, file); err == nil {
				c.assets[file] = newAsset(fsys, file, strings.TrimSpace(string(version)), clientControl)
			}
		}
	}
	return c
}

func (c *client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a := c.assets[path.Base(r.URL.Path)]
	if a == nil {
		http.NotFound(w, r)
		return
	}
	if readOnly(w, r) {
		a.ServeHTTP(w, r)
	}
}
