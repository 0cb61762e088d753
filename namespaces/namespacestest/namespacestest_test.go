package namespacestest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/namespacestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct{ Item, By string }

// orders is a namespace as a program defines it.
func orders() *namespaces.Namespace {
	ns := namespaces.New("/orders")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if !s.Identity().Has("scope", "orders") {
			return namespaces.Forbidden("orders needs the orders scope")
		}
		return s.Join("desk")
	})
	namespaces.On(ns, "order:create", func(ctx context.Context, s *namespaces.Socket, item string) (order, error) {
		sure, err := namespaces.Ask[bool](ctx, s, "sure?", item)
		if err != nil || !sure {
			return order{}, errors.Join(err, namespaces.BadRequest("Think again."))
		}
		o := order{item, s.Identity().Subject}
		return o, s.To("desk").Emit("order:created", o, []byte(item))
	})
	namespaces.Handle(ns, "remind", func(_ context.Context, s *namespaces.Socket, after time.Duration) error {
		time.AfterFunc(after, func() { _ = s.Emit("reminder") })
		return nil
	})
	namespaces.Handle(ns, "end", func(_ context.Context, s *namespaces.Socket, all bool) error {
		s.Disconnect(all)
		return namespaces.ErrUnanswered
	})
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		_ = s.To("desk").Emit("left", s.Identity().Subject, reason)
	})
	return ns
}

func TestAHandlerIsTestedWithoutANetwork(t *testing.T) {
	h := namespacestest.Mount(t, orders())
	ada := h.Enter("/orders", namespacestest.As("ada", "orders"))
	bob := h.Enter("/orders", namespacestest.As("bob", "orders"))

	answer := make(chan order)
	go func() { answer <- namespacestest.Ask[order](ada, "order:create", "tea") }()
	var item string
	question := ada.Expect("sure?")
	question.Decode(&item)
	question.Answer(item == "tea")
	if made := <-answer; made != (order{"tea", "ada"}) {
		t.Errorf("made %+v", made)
	}
	var told order
	var note []byte
	bob.Expect("order:created").Decode(&told, &note)
	if told.By != "ada" || string(note) != "tea" {
		t.Errorf("told %+v, %q", told, note)
	}
	ada.Nothing()
	if !ada.Socket().Joined("desk") || ada.Socket().ID() != ada.ID() {
		t.Error("the socket of the client is another one's")
	}

	ada.Drop()
	var who, reason string
	bob.Expect("left").Decode(&who, &reason)
	if who != "ada" || reason != namespaces.ReasonTransportClose {
		t.Errorf("%s left: %s", who, reason)
	}
}

func TestWhoMayNotEnterIsToldWhy(t *testing.T) {
	other := namespaces.New("/own", namespaces.WithGate(namespaces.GateFunc(
		func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
			if string(r.Auth) != `{"key":"k"}` || r.Header.Get("X-Tenant") != "acme" {
				return handshake.Identity{}, &handshake.Refusal{Code: "locked", Message: "Locked.", Data: []int{1}}
			}
			return handshake.Identity{Subject: "ada"}, nil
		})))
	h := namespacestest.Mount(t, orders(), other)
	for _, c := range []struct {
		namespace string
		opts      []namespacestest.Option
		code      handshake.Code
	}{
		{"/orders", nil, handshake.CodeUnauthenticated},
		{"/orders", []namespacestest.Option{namespacestest.As("ada")}, handshake.CodeForbidden},
		{"/nowhere", nil, ""},
		{"/own", nil, ""},
	} {
		_, err := h.Try(c.namespace, c.opts...)
		var refused *namespacestest.Refused
		if !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%s: %v, want %q", c.namespace, err, c.code)
		}
	}
	h.Enter("/own", namespacestest.Auth(map[string]string{"key": "k"}),
		namespacestest.Request(handshake.Request{Header: map[string][]string{"X-Tenant": {"acme"}}}))
}

func TestTimeIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada := namespacestest.Mount(t, orders()).Enter("/orders", namespacestest.As("ada", "orders"))
		ada.Ask("remind", time.Hour)
		time.Sleep(time.Hour - time.Nanosecond)
		synctest.Wait()
		ada.Nothing()
		ada.Expect("reminder")
	})
}

func TestTheServerEndsAClient(t *testing.T) {
	second := namespaces.New("/second")
	h := namespacestest.Mount(t, orders(), second)
	ada := h.Enter("/orders", namespacestest.As("ada", "orders"))
	also := ada.Enter("/second")
	ada.Emit("end", false)
	ada.ExpectEnd()
	also.Emit("nobody")
	also.Leave()

	bob := h.Enter("/orders", namespacestest.As("bob", "orders"))
	bob.Emit("end", true)
	bob.ExpectEnd()
}

// failures collects what would fail a test.
type failures struct {
	*testing.T
	said chan string
}

func (f failures) Errorf(format string, _ ...any) { f.said <- format }

func TestWhatANamespaceEmitsIsHeldAgainstWhatItDeclares(t *testing.T) {
	ns := namespaces.New("/declared")
	namespaces.Emits[order](ns, "made")
	namespaces.Emits2[string, int](ns, "count:*")
	emit := func(_ context.Context, s *namespaces.Socket, in struct {
		Event string
		Args  []any
	}) error {
		return s.Emit(in.Event, in.Args...)
	}
	namespaces.Handle(ns, "emit", emit)
	f := failures{t, make(chan string, 1)}
	ada := namespacestest.Mount(f, ns).Enter("/declared", namespacestest.As("ada"))
	for _, c := range []struct {
		event string
		args  []any
		fits  bool
	}{
		{"made", []any{order{"tea", "ada"}}, true},
		{"count:tea", []any{"a", 1}, true},
		{"made", []any{"tea"}, false},
		{"made", nil, false},
		{"count:tea", []any{"a"}, false},
		{"other", nil, false},
	} {
		ada.Ask("emit", map[string]any{"event": c.event, "args": c.args})
		if fits := len(f.said) == 0; fits != c.fits {
			t.Errorf("%s %v: fits %v, want %v", c.event, c.args, fits, c.fits)
		}
		for len(f.said) > 0 {
			<-f.said
		}
	}
}
