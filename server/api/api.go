package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/namespaces"
)

// Deps are what the interface works on.
type Deps struct {
	// Namespace finds what is mounted, and makes a namespace of a family that nobody is in: namespaces.Hub.Open.
	Namespace func(ctx context.Context, name string) (ns *namespaces.Namespace, ok bool, err error)
	// Names lists the mounted namespaces, for requests about a user.
	Names func() []string
	// Ruled returns the rules of a namespace that the configuration makes, or nil. It may be nil.
	Ruled func(name string) Ruled
	// Since says when the connection of a socket of this node began. It may be nil.
	Since func(*namespaces.Socket) time.Time
	// Revocations serves GET, POST and DELETE of /api/v1/revocations. When it is nil, there is no such path.
	Revocations http.Handler
	// Done is told about each request of a known path: its caller, its method and path, such as "POST /api/v1/publish",
	// and the code of its error, or "ok". It may be nil.
	Done func(key, request, code string)
	// Begin, when set, begins the span of a request; it gets the method and the path template. The request that it returns
	// is then served, and end is called with the code of the error, "" without one.
	Begin func(r *http.Request, request string) (with *http.Request, end func(code string))
	// Logger gets the log; nil is slog.Default().
	Logger *slog.Logger
}

// API is the interface. It is safe for concurrent use.
type API struct {
	deps    Deps
	callers atomic.Pointer[[]*Caller]
	mux     *http.ServeMux
	log     *slog.Logger

	mu      sync.Mutex          // guards what follows
	replays map[string]*replays // by the name of the caller; as many as there are keys
}

// New makes the interface. The error is that of [Config.Check].
func New(cfg Config, deps Deps) (*API, error) {
	a := &API{deps: deps, log: deps.Logger, replays: map[string]*replays{}}
	if a.log == nil {
		a.log = slog.Default()
	}
	use, err := a.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	use()
	a.mux = a.routes()
	return a, nil
}

// Prepare checks new keys, which count for every request that comes after use has been called. A key that stays as it
// is goes on with the rest of its rate. The error is that of [Config.Check].
func (a *API) Prepare(cfg Config) (use func(), err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	next, err := callers(cfg.Keys)
	if err != nil {
		return nil, err
	}
	if now := a.callers.Load(); now != nil {
		for i, c := range next {
			if known := slices.IndexFunc(*now, c.same); known >= 0 {
				next[i] = (*now)[known]
			}
		}
	}
	return func() { a.callers.Store(&next) }, nil
}

// ServeHTTP serves a request with a key.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := a.Caller(r)
	if caller == nil {
		refuse(w, fail(CodeUnauthenticated, "send a key of api.keys as Authorization: Bearer"))
		return
	}
	a.Serve(w, r, caller)
}

// Serve serves a request of a known caller.
func (a *API) Serve(w http.ResponseWriter, r *http.Request, caller *Caller) {
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
}

type callerKey struct{}

func callerOf(r *http.Request) *Caller {
	c, _ := r.Context().Value(callerKey{}).(*Caller)
	return c
}

// route is one operation of the interface.
type route struct {
	method, path string
	scope        string // "" for what every key may
	serve        func(w http.ResponseWriter, r *http.Request) error
}

const (
	base      = "/api/v1/"
	inside    = base + "namespaces/{ns}/"
	noRoute   = "there is nothing here; %s lists what there is"
	openapiAt = base + "openapi.json"
)

func (a *API) table() []route {
	all := []route{
		{http.MethodGet, openapiAt, "", serveOpenAPI},
		{http.MethodPost, base + "publish", ScopePublish, a.publish},
		{http.MethodGet, inside + "sockets", ScopeRead, a.sockets},
		{http.MethodGet, inside + "rooms", ScopeRead, a.rooms},
		{http.MethodGet, inside + "rooms/{room}/presence", ScopeRead, a.presence},
		{http.MethodGet, inside + "rooms/{room}/history", ScopeRead, a.history},
		{http.MethodPost, inside + "join", ScopeRooms, a.join},
		{http.MethodPost, inside + "leave", ScopeRooms, a.leave},
		{http.MethodPost, inside + "disconnect", ScopeDisconnect, a.disconnect},
		{http.MethodGet, base + "users/{subject}", ScopeRead, a.user},
	}
	if a.deps.Revocations != nil {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			all = append(all, route{method, base + "revocations", ScopeRevoke, a.revocations})
		}
	}
	return all
}

// routes makes a handler of each path, which knows its methods, so that all errors have the same form.
func (a *API) routes() *http.ServeMux {
	mux, byPath := http.NewServeMux(), map[string][]route{}
	for _, one := range a.table() {
		byPath[one.path] = append(byPath[one.path], one)
	}
	for path, some := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { a.dispatch(w, r, some) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, fail(CodeNotFound, noRoute, openapiAt))
	})
	return mux
}

func (a *API) dispatch(w http.ResponseWriter, r *http.Request, some []route) {
	for _, one := range some {
		if one.method != r.Method {
			w.Header().Add("Allow", one.method)
			continue
		}
		w.Header().Del("Allow")
		if err := a.observed(w, r, one); err != nil {
			refuse(w, err)
		}
		return
	}
	refuse(w, fail(CodeMethod, "use %s here", some[0].method))
}

// observed serves a request with Deps.Begin around it, and reports it.
func (a *API) observed(w http.ResponseWriter, r *http.Request, one route) error {
	end := func(string) {}
	if a.deps.Begin != nil {
		r, end = a.deps.Begin(r, one.method+" "+one.path)
	}
	outcome := CodeUnavailable // when the handler panics
	defer func() { end(outcome) }()
	err := a.serve(w, r, one, callerOf(r))
	if outcome = ""; err != nil {
		outcome = codeOf(err)
	}
	a.report(r, one, err)
	return err
}

// serve serves a request if the caller is allowed to make it.
func (a *API) serve(w http.ResponseWriter, r *http.Request, one route, caller *Caller) error {
	if one.scope != "" && !caller.may(one.scope) {
		return fail(CodeForbidden, "the key %q has not the scope %s", caller.name, one.scope)
	}
	if wait := caller.take(time.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return fail(CodeRateLimited, "the key %q makes more than %d requests a second; send several operations in one, or raise its rate", caller.name, caller.rate)
	}
	return one.serve(w, r)
}

// report counts and logs a request. Those that only read or send are logged at debug level.
func (a *API) report(r *http.Request, one route, err error) {
	if a.deps.Done != nil {
		a.deps.Done(callerOf(r).name, one.method+" "+one.path, codeOf(err))
	}
	level := slog.LevelDebug
	if one.scope == ScopeRooms || one.scope == ScopeDisconnect || one.scope == ScopeRevoke || err != nil {
		level = slog.LevelInfo
	}
	fields := []slog.Attr{slog.String("key", callerOf(r).name), slog.String("request", one.method+" "+one.path)}
	if ns := r.PathValue("ns"); ns != "" {
		fields = append(fields, slog.String("namespace", ns))
	}
	if err != nil {
		fields = append(fields, slog.String("refused", err.Error()))
	}
	a.log.LogAttrs(r.Context(), level, "request of a back end", fields...)
}

// find returns a namespace if the caller's key is for it.
func (a *API) find(ctx context.Context, caller *Caller, name string) (*namespaces.Namespace, error) {
	switch {
	case name == "":
		return nil, fail(CodeBadRequest, "namespace: is missing")
	case !caller.in(name):
		return nil, fail(CodeForbidden, "the key %q is not for the namespace %s", caller.name, shown(name))
	}
	ns, ok, err := a.deps.Namespace(ctx, name)
	switch {
	case err != nil:
		return nil, fail(CodeUnavailable, "the namespace %s cannot be made now: %s", shown(name), err)
	case !ok:
		return nil, fail(CodeNotFound, "there is no namespace %s", shown(name))
	}
	return ns, nil
}

// namespace returns the namespace that the path names. Its first slash may be left out in the path, because some proxies
// decode %2F.
func (a *API) namespace(r *http.Request) (*namespaces.Namespace, error) {
	name := r.PathValue("ns")
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return a.find(r.Context(), callerOf(r), name)
}

// ruled returns the rules of a namespace, or nil.
func (a *API) ruled(name string) Ruled {
	if a.deps.Ruled == nil {
		return nil
	}
	return a.deps.Ruled(name)
}

// shown quotes a foreign name for an error message.
func shown(name string) string {
	const maxName = 80
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}

// queryOf reads the query, and refuses parameters that the request does not have.
func queryOf(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(CodeBadRequest, "the query cannot be read")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			return nil, fail(CodeBadRequest, "there is no parameter %s; there are %s", shown(name), strings.Join(known, ", "))
		case len(q[name]) > 1:
			return nil, fail(CodeBadRequest, "%s: comes twice", name)
		}
	}
	return q, nil
}

// revocations hands a request on to the server's own handler.
func (a *API) revocations(w http.ResponseWriter, r *http.Request) error {
	a.deps.Revocations.ServeHTTP(w, r)
	return nil
}

// asReason turns an error of an emit into an error of the interface.
func asReason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*Reason)):
		return err
	case errors.Is(err, namespaces.ErrHubClosed):
		return fail(CodeUnavailable, "the server is shutting down")
	}
	return fail(CodeBadRequest, "%s", strings.TrimPrefix(err.Error(), "namespaces: "))
}
