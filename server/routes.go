package server

import (
	"net/http"
	"strings"
	"time"

	"gatehouse/engine"
	"gatehouse/server/internal/reply"
	"gatehouse/web"
)

const (
	readDeadline  = 10 * time.Second // timeout for the body of a small request
	writeDeadline = time.Minute      // timeout for a page or the client bundle, on a slow line
)

// routes is the HTTP surface. Every request has a time limit, redirects included; at
// the realtime endpoint the engine sets it.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	if !s.cfg.NoClient {
		mux.Handle(strings.TrimSuffix(s.cfg.Path, "/")+"/", s.readable(web.ClientBundle()))
	}
	mux.Handle("/healthz", reply.Only(http.HandlerFunc(alive), http.MethodGet, http.MethodHead))
	mux.Handle("/readyz", reply.Only(http.HandlerFunc(s.ready), http.MethodGet, http.MethodHead))
	mux.Handle("/auth/tickets", s.auth(http.MethodPost, s.mintTicket))
	mux.Handle("/auth/csrf", s.auth(http.MethodGet, s.csrfToken))
	if s.cfg.Admin.Key != "" && s.cfg.Admin.Addr == "" {
		operators := s.operatorsOnly(s.operatorRoutes())
		for _, path := range operatorPaths {
			mux.Handle(path, s.backEndsOr(operators))
		}
	} else if len(s.cfg.API.Keys) > 0 {
		mux.Handle(apiPath, s.backEndsOnly())
	}
	if s.cfg.Dev {
		mux.HandleFunc("/demo/login", s.dev.Login)
		mux.Handle("/lab/", s.dev.Lab())
	}
	mux.Handle("/", s.others())
	others, isRealtime := withDeadlines(modest(mux)), realtimeAt(s.cfg.Path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isRealtime(r.URL.Path) {
			s.engine.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// others serves all paths that are not the server's own.
func (s *Server) others() http.Handler {
	switch {
	case s.cfg.Handler != nil:
		return s.cfg.Handler
	case s.cfg.Dev || s.cfg.Pages:
		return web.Handler()
	}
	return http.NotFoundHandler()
}

// modest refuses requests whose heads would take many times the memory of their text,
// as the engine does.
func modest(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if engine.TooManyFields(r) {
			w.Header().Set("Connection", "close")
			http.Error(w, "too many header fields or parameters", http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// withDeadlines limits the time of a request and its answer.
func withDeadlines(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, now := http.NewResponseController(w), time.Now()
		// Only a test, or an embedding program by its own choice, has a writer without
		// deadlines.
		_ = c.SetReadDeadline(now.Add(readDeadline))
		_ = c.SetWriteDeadline(now.Add(writeDeadline))
		h.ServeHTTP(w, r)
	})
}
