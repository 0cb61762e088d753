package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/server/internal/reply"
	"gatehouse/web"
)

// operatorRoutes are the operators' surfaces.
func (s *Server) operatorRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(apiPath, s.asOperator)
	mux.HandleFunc("GET /api/v1/stats", s.serveStats)
	mux.HandleFunc("GET /api/v1/nodes", s.serveNodes)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	// The command line is left out, as flags may hold a secret.
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	return mux
}

// operatorPaths is where they are.
var operatorPaths = []string{apiPath, "/metrics", "/debug/pprof/"}

// adminHandler serves everything on the operators' own listener.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", reply.Only(http.HandlerFunc(alive), http.MethodGet, http.MethodHead))
	mux.Handle("/readyz", reply.Only(http.HandlerFunc(s.ready), http.MethodGet, http.MethodHead))
	operators := s.operatorsOnly(s.operatorRoutes())
	mux.Handle("/", operators)
	mux.Handle("GET "+pagePath+"/api/", s.ownPage(s.operatorsOnly(s.pageRoutes())))
	mux.Handle("GET "+pagePath+"/api/door", s.ownPage(http.HandlerFunc(s.serveDoor)))
	page := web.OperatorsPage()
	for _, path := range []string{pagePath, "/assets/", "/favicon.svg"} {
		mux.Handle(path, page)
	}
	mux.Handle(apiPath, s.backEndsOr(operators))
	return withDeadlines(mux)
}

// operatorsOnly asks for the key. Without a key the listener is on this machine
// only, and pages of other sites in a browser on this machine are refused: they
// could send requests there, even under a host name of their own.
func (s *Server) operatorsOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.checkOperator(r); err != nil {
			why := handshake.AsRefusal(err)
			s.refuseHTTP(w, r, why)
			return
		}
		c := http.NewResponseController(w) // a profile takes its time
		_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
		h.ServeHTTP(w, r)
	})
}

func (s *Server) checkOperator(r *http.Request) error {
	admin := s.inForce.Load().Admin
	if admin.Key == "" {
		if fromPage(r) || !namesThisMachine(r.Host) {
			return &handshake.Refusal{Code: handshake.CodeForbidden, Message: "Pages may not use this; set admin.key for other programs.", Cause: errors.New("admin: request of a page")}
		}
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && admin.accepts(given) {
		return nil
	}
	return s.wrongKey(r, "Send the key of the configuration as Authorization: Bearer.")
}

// accepts reports whether a key is one of the operators', in constant time.
func (a Admin) accepts(given string) bool {
	now := sameText(given, a.Key.Reveal())
	before := sameText(given, a.PreviousKey.Reveal()) && a.PreviousKey != ""
	return now || before
}

// sameText compares in constant time, whatever the lengths.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func fromPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none" && site != "same-origin"
}

// namesThisMachine reports whether a Host header is an address or localhost. A
// foreign DNS name that points to this machine is neither.
func namesThisMachine(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil
}

// adminServer serves the operators' own listener.
func (s *Server) adminServer() *http.Server {
	hs := s.httpServer(s.adminHandler())
	hs.WriteTimeout = 0 // a profile takes as long as it was asked to
	hs.ReadTimeout = readDeadline
	return hs
}

// startAdmin listens for operators, when there is an address for them.
func (s *Server) startAdmin(listen func(addr string) (net.Listener, error)) (stop func(), err error) {
	if s.cfg.Admin.Addr == "" {
		return func() {}, nil
	}
	ln, err := listen(s.cfg.Admin.Addr)
	if err != nil {
		return nil, err
	}
	s.log.Info("operators' listener", slog.String("adminAddr", ln.Addr().String()), slog.Bool("key", s.cfg.Admin.Key != ""))
	if !s.cfg.Admin.OnThisMachine() {
		ln = s.keys.wrap(ln, false)
	}
	hs, served := s.adminServer(), make(chan struct{})
	go func() {
		defer close(served)
		if err := hs.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("operators' listener failed", slog.Any("error", err))
		}
	}()
	return func() {
		_ = hs.Close() // a scrape in progress is not worth waiting for
		<-served
		s.lookers.close()
	}, nil
}
