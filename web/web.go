package web

import (
	"embed"
	"io/fs"
	"net/http"
)

// Built by `npm --prefix web run build`; a clean clone holds only the placeholder .gitkeep.
//
//go:embed all:dist
var built embed.FS

// The client's bundles are kept in the repository, so that a binary that is built with Go alone serves them, too. The
// same build copies them from socket.io-client's package; LICENSES.txt has their terms.
//
//go:embed client
var bundles embed.FS

// Handler serves the demo pages: index.html at /, every other page of the build under its name without
// .html, and their assets. It answers GET and HEAD, others get 405, unknown paths 404, and all paths 503
// while the pages are not built. It is safe for concurrent use and reads no request body.
func Handler() http.Handler { return newPages(dist()) }

// ClientBundle serves socket.io-client's own bundles and their source maps under the names that Node's
// server uses: /socket.io/socket.io.js, .min.js, .esm.min.js, .msgpack.min.js, each with .map. Like
// Node's server it answers with the client's version as the ETag and lets caches revalidate every time.
// Only the last element of the request's path counts, so it can be mounted under any Socket.IO path.
// It is safe for concurrent use.
func ClientBundle() http.Handler {
	client, err := fs.Sub(bundles, "client")
	if err != nil {
		panic("web: embedded client: " + err.Error()) // a constant and valid path: cannot happen
	}
	return newClient(client)
}

func dist() fs.FS {
	sub, err := fs.Sub(built, "dist")
	if err != nil {
		panic("web: embedded pages: " + err.Error()) // as above
	}
	return sub
}

// OperatorsPage serves the page for operators at /admin, and its assets below /assets/, as [Handler] does for the demo,
// which has neither. It asks nothing of who requests it: there is nothing in it that is a secret.
func OperatorsPage() http.Handler { return newOperatorsPage(dist()) }
