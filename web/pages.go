package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io/fs"
	"maps"
	"net/http"
	"strings"
)

const (
	// Vite names what it puts there after a hash of its content.
	hashedDir = "assets/"

	forever    = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// policy is the Content-Security-Policy of the pages. ws: and wss: stand beside 'self' for browsers in
// which 'self' does not cover WebSockets; require-trusted-types-for refuses innerHTML and its kin.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"manifest-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed notbuilt.html
var notBuiltPage string

// ownPolicy is the policy of the operators' page, which talks only to its own server.
var ownPolicy = strings.Replace(policy, " ws: wss:", "", 1)

// operatorsPage is the request path of the page that only operators have.
const operatorsPage = "/admin"

type pages struct {
	assets map[string]*asset // by request path
	hint   string            // for requests of anything else
}

// newPages serves a build found in fsys, or the page that says how to make one.
func newPages(fsys fs.FS) http.Handler {
	assets, err := loadPages(fsys)
	if err != nil {
		panic("web: embedded pages: " + err.Error()) // the binary's own bytes: unreadable means a bug here
	}
	if assets["/"] == nil {
		return secure(policy, http.HandlerFunc(notBuilt))
	}
	maps.DeleteFunc(assets, func(path string, _ *asset) bool { return ofOperators(path) })
	return secure(policy, &pages{assets, "The chat is at /."})
}

// newOperatorsPage serves the operators' page of a build, what it shares with others, and nothing else.
func newOperatorsPage(fsys fs.FS) http.Handler {
	assets, err := loadPages(fsys)
	if err != nil {
		panic("web: embedded pages: " + err.Error()) // as above
	}
	if assets[operatorsPage] == nil {
		return secure(ownPolicy, http.HandlerFunc(notBuilt))
	}
	maps.DeleteFunc(assets, func(path string, _ *asset) bool {
		return !ofOperators(path) && !strings.HasPrefix(path, "/"+hashedDir) && path != "/favicon.svg"
	})
	return secure(ownPolicy, &pages{assets, "The page for operators is at /admin."})
}

// ofOperators reports whether a file is the operators' page or its own script or style.
func ofOperators(path string) bool {
	return path == operatorsPage || strings.HasPrefix(path, "/"+hashedDir+"admin-")
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := p.assets[r.URL.Path]
	if a == nil {
		http.Error(w, "There is no such page. "+p.hint, http.StatusNotFound)
		return
	}
	if readOnly(w, r) {
		a.ServeHTTP(w, r)
	}
}

// loadPages walks the build. The client bundle is left to newClient, and the compressed forms
// belong to the files beside them.
func loadPages(fsys fs.FS) (map[string]*asset, error) {
	assets := make(map[string]*asset)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name == "client":
			return fs.SkipDir
		case d.IsDir(), isPacked(name), strings.HasPrefix(d.Name(), "."):
			return nil
		}
		sum, err := digest(fsys, name)
		assets[requestPath(name)] = newAsset(fsys, name, sum, cacheControl(name))
		return err
	})
	return assets, err
}

func cacheControl(name string) string {
	if strings.HasPrefix(name, hashedDir) {
		return forever
	}
	return revalidate
}

func requestPath(name string) string {
	if name == "index.html" {
		return "/"
	}
	return "/" + strings.TrimSuffix(name, ".html")
}

func secure(policy string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		next.ServeHTTP(w, r)
	})
}

// notBuilt answers every path: a clean clone has no page at all. Its one style sheet is inside the
// page and let in by its hash.
func notBuilt(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; "+
		"frame-ancestors 'none'; style-src '"+styleHash(notBuiltPage)+"'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(notBuiltPage)) // the client has gone: there is nobody to tell
	}
}

func styleHash(page string) string {
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
