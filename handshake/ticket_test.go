package handshake

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ticketGate accepts tokens and tickets, at a time that the test moves.
func ticketGate(t *testing.T, cfg TicketConfig, store TicketStore) (*Gate, *time.Time) {
	t.Helper()
	now := noon
	clock := func() time.Time { return now }
	return newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}, Tickets: cfg, Deps: Deps{Clock: clock, Tickets: store}}), &now
}

func signIn(t *testing.T, g *Gate, more ...any) Identity {
	t.Helper()
	id, err := g.Check(t.Context(), auth(signHS(t, good(more...))))
	wantCode(t, err, "")
	return id
}

func mint(t *testing.T, g *Gate, id Identity, binding TicketBinding) string {
	t.Helper()
	ticket, _, err := g.MintTicket(t.Context(), id, binding)
	wantCode(t, err, "")
	return ticket
}

// withTicket is a request of a session with the ticket in its payload.
func withTicket(ticket, session, namespace string) *Request {
	raw, err := json.Marshal(map[string]string{"ticket": ticket})
	if err != nil {
		panic(err)
	}
	return &Request{Namespace: namespace, Auth: raw, SessionID: session}
}

func TestReq09_OnlyOneOfThousandRedemptionsSucceeds(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, nil)
	ticket := mint(t, g, signIn(t, g), TicketBinding{})
	var in, used atomic.Int32
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			session := ""
			if i%2 == 0 { // with sessions of their own, and without
				session = "session-" + string(rune('0'+i%7)) + time.Duration(i).String()
			}
			_, err := g.Check(t.Context(), withTicket(ticket, session, "/"))
			var refusal *Refusal
			switch {
			case err == nil:
				in.Add(1)
			case errors.As(err, &refusal) && refusal.Code == CodeTicketInvalid:
				used.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || used.Load() != 999 {
		t.Fatalf("%d were let in, %d refused", in.Load(), used.Load())
	}
}

func TestReq09_TicketsAreRandomHashedAndShort(t *testing.T) {
	store := &spyStore{TicketStore: NewMemoryTickets(10, atNoon)}
	g, now := ticketGate(t, TicketConfig{}, store)
	id := signIn(t, g)
	ticket, expires, err := g.MintTicket(t.Context(), id, TicketBinding{})
	wantCode(t, err, "")
	raw, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil || len(raw)*8 < 128 || !expires.Equal(noon.Add(30*time.Second)) || store.ttl != 30*time.Second {
		t.Fatalf("%d bits until %v (%v)", len(raw)*8, expires, err)
	}
	if strings.Contains(string(store.record), ticket) || strings.Contains(string(store.key[:]), ticket) {
		t.Fatal("the store sees the ticket itself")
	}
	*now = noon.Add(30 * time.Second)
	_, err = g.Check(t.Context(), withTicket(ticket, "", "/"))
	wantCode(t, err, CodeTicketInvalid, ticket)

	if _, err := NewGate(GateConfig{JWT: JWTConfig{HMACSecret: secret}, Tickets: TicketConfig{TTL: 6 * time.Minute}}); err == nil || !strings.Contains(err.Error(), "tickets.ttl: 6m0s is outside") {
		t.Fatal(err)
	}
}

type spyStore struct {
	TicketStore
	key    [32]byte
	record []byte
	ttl    time.Duration
}

func (s *spyStore) Put(ctx context.Context, key [32]byte, record []byte, ttl time.Duration) error {
	s.key, s.record, s.ttl = key, record, ttl
	return s.TicketStore.Put(ctx, key, record, ttl)
}

func TestReq10_TicketsAreBound(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, nil)
	id := signIn(t, g, "scope", "chat", "level", 9007199254740993)
	home := netip.MustParseAddr("203.0.113.5")
	binding := TicketBinding{Origin: "https://chat.example", Namespace: "/chat", Address: home}
	request := func(change func(*Request)) *Request {
		r := withTicket(mint(t, g, id, binding), "s1", "/chat")
		r.Host, r.Secure, r.RemoteAddr, r.Transport = "chat.example", true, home, "websocket"
		r.Header = http.Header{"Origin": {"https://chat.example"}}
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		change func(*Request)
		want   Code
	}{
		"as bound":                        {func(*Request) {}, ""},
		"another namespace":               {func(r *Request) { r.Namespace = "/admin" }, CodeTicketInvalid},
		"another address":                 {func(r *Request) { r.RemoteAddr = netip.MustParseAddr("203.0.113.6") }, CodeTicketInvalid},
		"another origin":                  {func(r *Request) { r.Header.Set("Origin", "https://other.example"); r.Host = "other.example" }, CodeTicketInvalid},
		"no origin on websocket":          {func(r *Request) { r.Header.Del("Origin") }, CodeTicketInvalid},
		"no origin on own polling":        {func(r *Request) { r.Header.Del("Origin"); r.Transport = "polling" }, ""},
		"no origin on same-site poll":     {func(r *Request) { r.Header = http.Header{"Sec-Fetch-Site": {"same-site"}}; r.Transport = "polling" }, CodeTicketInvalid},
		"origin of the POST with CONNECT": {func(r *Request) { r.Header.Del("Origin"); r.Origin = "https://chat.example" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := g.Check(t.Context(), request(c.change))
			wantCode(t, err, c.want)
			if c.want == "" && (got.Subject != "ann" || got.Method != MethodTicket || !got.Has("scope", "chat") || !got.Has("level", "9007199254740993") || !got.IssuedAt.Equal(noon)) {
				t.Fatalf("identity is %+v", got)
			}
		})
	}
}

func TestReq10_MintingNeedsMoreThanATicket(t *testing.T) {
	g, now := ticketGate(t, TicketConfig{BindAddress: true}, nil)
	id := signIn(t, g)
	_, _, err := g.MintTicket(t.Context(), id, TicketBinding{})
	wantCode(t, err, CodeUnavailable) // bind_address without an address
	r := &Request{Header: http.Header{"Origin": {"https://x.example"}}, RemoteAddr: netip.MustParseAddr("::ffff:192.0.2.1")}
	binding := g.TicketBindingOf(r, "/chat")
	if binding != (TicketBinding{"https://x.example", "/chat", netip.MustParseAddr("192.0.2.1")}) {
		t.Fatalf("binding is %+v", binding)
	}
	id.Method = MethodTicket
	_, _, err = g.MintTicket(t.Context(), id, binding)
	wantCode(t, err, CodeForbidden)
	id.Method = MethodToken
	*now = noon.Add(time.Hour)
	_, _, err = g.MintTicket(t.Context(), id, binding)
	wantCode(t, err, CodeTokenExpired)
	off := newGate(t, GateConfig{Auth: AuthConfig{Methods: []string{MethodToken}}, JWT: JWTConfig{HMACSecret: secret}})
	_, _, err = off.MintTicket(t.Context(), signIn(t, off), TicketBinding{})
	wantCode(t, err, CodeForbidden)
}

func TestReq10_TicketLivesNoLongerThanTheIdentity(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, nil)
	_, expires, err := g.MintTicket(t.Context(), signIn(t, g, "exp", noon.Add(10*time.Second).Unix()), TicketBinding{})
	wantCode(t, err, "")
	if !expires.Equal(noon.Add(10 * time.Second)) {
		t.Fatalf("expires %v", expires)
	}
}

func TestReq11_TheSameSessionMayPresentItsTicketAgain(t *testing.T) {
	g, now := ticketGate(t, TicketConfig{}, nil)
	ticket := mint(t, g, signIn(t, g), TicketBinding{})
	query := func(session, namespace string) *Request {
		return &Request{Namespace: namespace, SessionID: session, Query: url.Values{"ticket": {ticket}}, Transport: "polling"}
	}
	for _, namespace := range []string{"/", "/chat", "/"} {
		_, err := g.Check(t.Context(), query("s1", namespace))
		wantCode(t, err, "")
	}
	_, err := g.Check(t.Context(), query("s2", "/"))
	wantCode(t, err, CodeTicketInvalid, ticket)

	*now = noon.Add(10 * time.Minute) // long after the ticket's own life
	_, err = g.Check(t.Context(), query("s1", "/late"))
	wantCode(t, err, "")
	*now = noon.Add(time.Hour) // the identity's end
	_, err = g.Check(t.Context(), query("s1", "/"))
	wantCode(t, err, CodeTokenExpired)
}

func TestReq11_AClosedSessionIsForgotten(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, nil)
	ticket := mint(t, g, signIn(t, g), TicketBinding{})
	_, err := g.Check(t.Context(), withTicket(ticket, "s1", "/"))
	wantCode(t, err, "")
	g.SessionClosed("s1")
	_, err = g.Check(t.Context(), withTicket(ticket, "s1", "/"))
	wantCode(t, err, CodeTicketInvalid)
	if left := len(g.tickets.memory.sessions.byKey); left != 0 {
		t.Fatalf("%d sessions are remembered", left)
	}
}

func TestReq11_TwoNamespacesAtOnceShareOneRedemption(t *testing.T) {
	slow := &slowStore{TicketStore: NewMemoryTickets(10, atNoon), entered: make(chan struct{}), release: make(chan struct{})}
	g, _ := ticketGate(t, TicketConfig{}, slow)
	ticket := mint(t, g, signIn(t, g), TicketBinding{})
	errs := make(chan error, 2)
	go func() { _, err := g.Check(t.Context(), withTicket(ticket, "s1", "/")); errs <- err }()
	<-slow.entered
	go func() { _, err := g.Check(t.Context(), withTicket(ticket, "s1", "/chat")); errs <- err }()
	close(slow.release)
	for range 2 {
		wantCode(t, <-errs, "")
	}
}

// slowStore holds a redemption until it is released.
type slowStore struct {
	TicketStore
	entered, release chan struct{}
}

func (s *slowStore) Redeem(ctx context.Context, key [32]byte) ([]byte, error) {
	close(s.entered)
	<-s.release
	return s.TicketStore.Redeem(ctx, key)
}

type brokenStore struct{}

func (brokenStore) Put(context.Context, [32]byte, []byte, time.Duration) error {
	return errors.New("connection refused")
}

func (brokenStore) Redeem(context.Context, [32]byte) ([]byte, error) {
	return nil, errors.New("connection refused")
}

func TestReq12_AnUnreachableStoreIsNoWayIn(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, brokenStore{})
	_, _, err := g.MintTicket(t.Context(), signIn(t, g), TicketBinding{})
	wantCode(t, err, CodeUnavailable)
	ticket := strings.Repeat("A", 43)
	for _, session := range []string{"", "s1", "s1"} {
		_, err := g.Check(t.Context(), withTicket(ticket, session, "/"))
		wantCode(t, err, CodeUnavailable, ticket)
	}
}

func TestTicketsAreReadStrictly(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{}, nil)
	for _, ticket := range []string{"x", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("A", 42) + "=", strings.Repeat("A", 42) + "B", strings.Repeat("A", 43)} {
		_, err := g.Check(t.Context(), withTicket(ticket, "s1", "/"))
		wantCode(t, err, CodeTicketInvalid)
	}
	_, err := g.Check(t.Context(), &Request{Namespace: "/", Query: url.Values{"ticket": {"a", "b"}}})
	wantCode(t, err, CodeUnauthenticated)
}

func TestTheMemoryStoreIsBounded(t *testing.T) {
	g, now := ticketGate(t, TicketConfig{MaxOpen: 2}, nil)
	id := signIn(t, g)
	mint(t, g, id, TicketBinding{})
	mint(t, g, id, TicketBinding{})
	_, _, err := g.MintTicket(t.Context(), id, TicketBinding{})
	wantCode(t, err, CodeRateLimited)
	*now = noon.Add(time.Minute) // the first two have lapsed
	mint(t, g, id, TicketBinding{})
}

func TestRememberedTicketsAreBounded(t *testing.T) {
	g, _ := ticketGate(t, TicketConfig{MaxRemembered: 1}, nil)
	id := signIn(t, g)
	first, second := mint(t, g, id, TicketBinding{}), mint(t, g, id, TicketBinding{})
	for _, c := range []struct {
		ticket, session string
		want            Code
	}{
		{first, "s1", ""}, {first, "s1", ""}, {second, "s2", ""}, {second, "s2", CodeTicketInvalid}, // good once, not remembered
	} {
		_, err := g.Check(t.Context(), withTicket(c.ticket, c.session, "/"))
		wantCode(t, err, c.want)
	}
}
