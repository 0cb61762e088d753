package server

import (
	"net/http"
	"time"

	"gatehouse/web"
)

const (
	readDeadline  = 10 * time.Second // for the body of a small request
	writeDeadline = time.Minute      // for a page or the client bundle, on a slow line
)

// routes is the HTTP surface.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io", s.engine)
	mux.Handle("/socket.io/{$}", s.engine)
	mux.Handle("/socket.io/", unhurried(web.ClientBundle()))
	mux.Handle("/healthz", only(http.HandlerFunc(alive), http.MethodGet, http.MethodHead))
	mux.Handle("/readyz", only(http.HandlerFunc(s.ready), http.MethodGet, http.MethodHead))
	mux.Handle("/auth/tickets", unhurried(s.auth(http.MethodPost, s.mintTicket)))
	mux.Handle("/auth/csrf", unhurried(s.auth(http.MethodGet, s.csrfToken)))
	if s.cfg.Admin.Key != "" && s.cfg.Admin.Addr == "" {
		operators := s.operatorsOnly(s.operatorRoutes())
		for _, path := range operatorPaths {
			mux.Handle(path, operators)
		}
	}
	if s.cfg.Dev {
		mux.Handle("/demo/login", unhurried(http.HandlerFunc(s.demoLogin)))
		mux.Handle("/lab/", unhurried(s.lab()))
	}
	mux.Handle("/", unhurried(web.Handler()))
	return mux
}

// unhurried gives a request the time that its size deserves and no more. The
// realtime endpoint is not behind it: the engine has deadlines of its own.
func unhurried(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, now := http.NewResponseController(w), time.Now()
		// A writer without deadlines is a test's, or an embedder's own choice.
		_ = c.SetReadDeadline(now.Add(readDeadline))
		_ = c.SetWriteDeadline(now.Add(writeDeadline))
		h.ServeHTTP(w, r)
	})
}
