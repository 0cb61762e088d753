package namespacestest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// T is the part of a [testing.T] or a [testing.B] that this package needs.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Hub is a hub with the definitions of a test. It is closed at the end of the test, when all handlers have returned.
type Hub struct {
	*namespaces.Hub

	t T

	mu    sync.Mutex // guards what follows
	who   map[string]handshake.Identity
	tasks sync.WaitGroup
}

// Mount mounts definitions. Namespaces without a gate of their own admit the identities that clients are given by [As]
// or [Identity], and refuse those without one with "unauthenticated", as a server does. A namespace that declares what
// it emits (see [namespaces.Emits]) fails the test when it emits something else.
func Mount(t T, defs ...namespaces.Definition) *Hub {
	t.Helper()
	return MountWith(t, namespaces.Config{}, defs...)
}

// MountWith is [Mount] with limits, hooks and other settings of a hub. A gate in it is asked in place of the test's.
func MountWith(t T, cfg namespaces.Config, defs ...namespaces.Definition) *Hub {
	t.Helper()
	h := &Hub{t: t, who: make(map[string]handshake.Identity)}
	if cfg.Gate == nil {
		cfg.Gate = namespaces.GateFunc(h.check)
	}
	cfg.Hooks = append(slices.Clip(cfg.Hooks), declared(defs).watch(t))
	hub, err := namespaces.NewHub(cfg, defs...)
	if err != nil {
		t.Fatalf("mount: %v", err)
	}
	h.Hub = hub
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("close the hub: %v", err)
		}
		h.tasks.Wait()
	})
	return h
}

// check is the gate of a test that has none of its own.
func (h *Hub) check(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id, ok := h.who[r.SessionID]; ok {
		return id, nil
	}
	return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeUnauthenticated, Message: "Say who it is: As, or Identity."}
}

// Option says who comes, and with what.
type Option func(*visit)

// visit is everything that a client brings.
type visit struct {
	identity *handshake.Identity
	auth     any
	request  handshake.Request
	values   context.Context // of the connection
}

// As lets a client come as the user with this subject, with scopes.
func As(subject string, scopes ...string) Option {
	return Identity(handshake.Identity{Subject: subject, Name: subject, Scopes: scopes, Method: handshake.MethodToken})
}

// Identity lets a client come with a whole identity.
func Identity(id handshake.Identity) Option { return func(v *visit) { v.identity = &id } }

// Auth gives the client an auth payload, encoded as JSON: an object.
func Auth(payload any) Option { return func(v *visit) { v.auth = payload } }

// Request sets what the client brought with its connection: headers, query, address.
func Request(r handshake.Request) Option { return func(v *visit) { v.request = r } }

// Context gives the connection the values of a context, as a handler around a server does.
func Context(ctx context.Context) Option { return func(v *visit) { v.values = ctx } }

// Enter connects a client and has it enter a namespace. It fails the test when the client is refused.
func (h *Hub) Enter(namespace string, opts ...Option) *Client {
	h.t.Helper()
	c, err := h.Try(namespace, opts...)
	if err != nil {
		h.t.Fatalf("enter %s: %v", namespace, err)
	}
	return c
}

// Try is Enter for clients that may be refused: the error is then a *[Refused].
func (h *Hub) Try(namespace string, opts ...Option) (*Client, error) {
	h.t.Helper()
	v := new(visit)
	for _, opt := range opts {
		opt(v)
	}
	return newConn(h, v).enter(namespace, v)
}

// Refused is the error of a client that may not enter.
type Refused struct {
	Message string
	Code    handshake.Code  // the code in the data; "" when there is none
	Data    json.RawMessage // nil when there is none
}

// Error returns message and data.
func (r *Refused) Error() string { return r.Message + " " + string(r.Data) }
