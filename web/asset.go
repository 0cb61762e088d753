package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// contentTypes are spelled out because the operating system's table, which package mime asks first,
// differs from machine to machine.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "application/javascript; charset=utf-8",
	".map":         "application/json; charset=utf-8",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".webmanifest": "application/manifest+json",
}

// asset is one file of the build, ready to be served. It is immutable.
type asset struct {
	fsys    fs.FS
	name    string
	packed  []coding // those that there is a file of
	etag    string   // opaque part, without quotes
	control string   // Cache-Control
}

// coding is a content coding (RFC 9110, section 8.4.1) that the build has packed files with.
type coding struct{ name, extension string }

// codings are those that there may be, the better ones first.
var codings = []coding{{"br", ".br"}, {"gzip", ".gz"}}

func newAsset(fsys fs.FS, name, etag, control string) *asset {
	a := &asset{fsys: fsys, name: name, etag: etag, control: control}
	for _, c := range codings {
		if _, err := fs.Stat(fsys, name+c.extension); err == nil {
			a.packed = append(a.packed, c)
		}
	}
	return a
}

// isPacked reports whether a file is the packed form of another.
func isPacked(name string) bool {
	return slices.ContainsFunc(codings, func(c coding) bool { return strings.HasSuffix(name, c.extension) })
}

// digest hashes a file without holding it in memory: the embedded bytes are in the binary already.
func digest(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", fmt.Errorf("open asset: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash asset %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// ServeHTTP answers with the compressed form when the client takes it. The forms share one opaque
// tag, so the compressed one carries it as a weak validator: If-None-Match still matches, and ranges
// of two are never joined.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", contentType(a.name))
	h.Set("Cache-Control", a.control)
	name, tag := a.name, `"`+a.etag+`"`
	if len(a.packed) > 0 {
		h.Add("Vary", "Accept-Encoding")
	}
	for _, c := range a.packed {
		if accepts(r.Header.Values("Accept-Encoding"), c.name) {
			h.Set("Content-Encoding", c.name)
			name, tag = a.name+c.extension, "W/"+tag
			break
		}
	}
	h.Set("ETag", tag)
	serveFile(w, r, a.fsys, name)
}

// serveFile leaves HEAD, ranges and If-None-Match to package http. Embedded files carry no time.
func serveFile(w http.ResponseWriter, r *http.Request, fsys fs.FS, name string) {
	f, err := fsys.Open(name)
	if err != nil {
		http.Error(w, "asset is missing", http.StatusInternalServerError)
		return
	}
	defer func() { _ = f.Close() }()
	content, ok := f.(io.ReadSeeker)
	if !ok {
		http.Error(w, "asset cannot be read", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, name, time.Time{}, content)
}

func contentType(name string) string {
	ext := path.Ext(name)
	if t, ok := contentTypes[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// accepts reads Accept-Encoding (RFC 9110, section 12.5.3): the coding or * named, and not with weight 0.
func accepts(values []string, wanted string) bool {
	star := false
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		switch {
		case coding == wanted || coding == "x-"+wanted:
			return !weightZero(params)
		case coding == "*":
			star = !weightZero(params)
		}
	}
	return star
}

func weightZero(params string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
	return ok && strings.Trim(q, "0.") == ""
}

// readOnly lets GET and HEAD through.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	return false
}
