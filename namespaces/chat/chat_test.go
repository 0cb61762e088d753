package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
	"gatehouse/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate admits everybody as the user of {"name": …, "rooms": […]}.
func gate(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	var id handshake.Identity
	err := json.Unmarshal(r.Auth, &id)
	return id, err
}

// tab is a client's connection that keeps its frames.
type tab struct {
	t      testing.TB
	client *namespaces.Client

	mu     sync.Mutex
	frames []string
	acks   chan string
	ids    int
}

func (c *tab) Send(f *packet.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.TrimPrefix(string(f.Text)[1:], "/chat,")
	c.frames = append(c.frames, text)
	if f.Text[0] == '3' {
		c.acks <- text
	}
	return nil
}
func (c *tab) SendVolatile(f *packet.Frame) bool { return c.Send(f) == nil }
func (c *tab) Close(int, string)                 {}
func (c *tab) Pause()                            {}
func (c *tab) Resume()                           {}
func (c *tab) Hold(int) bool                     { return true }
func (c *tab) Admitted()                         {}
func (c *tab) Identified(*namespaces.Socket)     {}
func (c *tab) Request() *handshake.Request       { return nil }

// server is a chat with its clients.
type server struct {
	t   *testing.T
	hub *namespaces.Hub
	ns  *namespaces.Namespace
}

func newServer(t *testing.T, cfg chat.Config) *server {
	return serve(t, namespaces.Config{}, chat.New(cfg))
}

// serve mounts a chat with limits of its own.
func serve(t *testing.T, cfg namespaces.Config, ns *namespaces.Namespace) *server {
	cfg.Gate, cfg.ConnectTimeout = namespaces.GateFunc(gate), time.Hour
	hub, err := namespaces.NewHub(cfg, ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &server{t, hub, ns}
}

// user opens a tab of a user.
func (s *server) user(name string, rooms ...string) *tab {
	return s.enter(handshake.Identity{Subject: name, Name: strings.ToUpper(name), Rooms: rooms})
}

// enter opens a tab of the user of an identity.
func (s *server) enter(id handshake.Identity) *tab {
	c := &tab{t: s.t, acks: make(chan string, 1000)}
	c.client = s.hub.Connect(c)
	auth, err := json.Marshal(id)
	if err != nil {
		s.t.Fatal(err)
	}
	c.client.Message(false, append([]byte("0/chat,"), auth...))
	synctest.Wait()
	c.take()
	return c
}

// request emits an event and returns its acknowledgement.
func (c *tab) request(event string, payload any) map[string]any {
	c.t.Helper()
	c.ids++
	raw, err := json.Marshal([]any{event, payload})
	if err != nil {
		c.t.Fatal(err)
	}
	c.client.Message(false, fmt.Appendf(nil, "2/chat,%d%s", c.ids, raw))
	ack := strings.TrimPrefix(<-c.acks, fmt.Sprint(c.ids))
	var answer []map[string]any
	if err := json.Unmarshal([]byte(ack), &answer); err != nil || len(answer) != 1 {
		c.t.Fatalf("%s: %s", event, ack)
	}
	return answer[0]
}

func (c *tab) join(room string) map[string]any {
	return c.request("room:join", map[string]any{"room": room})
}

func (c *tab) send(room, text string) map[string]any {
	return c.request("message:send", map[string]any{"room": room, "text": text})
}

// take returns the frames since the last call.
func (c *tab) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := c.frames
	c.frames = nil
	return frames
}

// heard returns the events since the last call.
func (c *tab) heard() []string {
	synctest.Wait()
	return slices.DeleteFunc(c.take(), func(f string) bool { return f[0] != '[' || strings.HasPrefix(f, "[{") })
}

func code(answer map[string]any) string {
	failure, _ := answer["error"].(map[string]any)
	text, _ := failure["code"].(string)
	return text
}

func texts(messages any) []string {
	var out []string
	for _, m := range messages.([]any) {
		out = append(out, m.(map[string]any)["text"].(string))
	}
	return out
}

func TestTwoUsersTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		ann, bob := s.user("ann"), s.user("bob")
		ann.join("r")
		got := bob.join("r")
		want := map[string]any{"ok": true, "count": 2.0, "complete": true, "history": []any{}, "members": []any{
			map[string]any{"user": "ann", "name": "ANN"}, map[string]any{"user": "bob", "name": "BOB"}}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("joined: %v", got)
		}
		bob.take()
		ann.take()
		answer := ann.request("message:send", map[string]any{"room": "r", "text": "hi", "nonce": "n"})
		message := fmt.Sprintf(`["message",{"id":%q,"room":"r","from":"ann","name":"ANN","text":"hi","at":%d,"nonce":"n"}]`,
			answer["id"], int64(answer["at"].(float64)))
		if frames := ann.take(); len(frames) != 2 || frames[0] != message {
			t.Errorf("the sender got %q", frames)
		}
		if got := bob.heard(); !slices.Equal(got, []string{message}) {
			t.Errorf("the other got %q", got)
		}
	})
}

func TestMembersAreUsersNotTabs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		watcher, one, two := s.user("ann"), s.user("bob"), s.user("bob")
		watcher.join("r")
		one.join("r")
		if got := two.join("r"); got["count"] != 2.0 {
			t.Errorf("count %v", got["count"])
		}
		one.join("r")
		one.request("room:leave", map[string]any{"room": "r"})
		two.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
		want := []string{`["member:joined",{"room":"r","user":"bob","name":"BOB"}]`, `["member:left",{"room":"r","user":"bob","name":"BOB"}]`}
		if got := watcher.heard(); !slices.Equal(got, want) {
			t.Errorf("heard %q", got)
		}
	})
}

func TestALargeRoomIsQuietAboutMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{QuietAbove: 120}})
		ann := s.user("ann")
		ann.join("r")
		var last map[string]any
		var tabs []*tab
		for i := range 150 {
			tabs = append(tabs, s.user(fmt.Sprint("u", i)))
			last = tabs[i].join("r")
		}
		if last["count"] != 151.0 || len(last["members"].([]any)) != 100 {
			t.Errorf("count %v, %d members", last["count"], len(last["members"].([]any)))
		}
		if got := len(ann.heard()); got != 119 {
			t.Errorf("%d users were announced", got)
		}
		tabs[0].request("room:leave", map[string]any{"room": "r"})
		if got := ann.heard(); len(got) != 0 {
			t.Errorf("heard %q", got)
		}
	})
}

func TestTypingGoesToTheOthersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		ann, bob := s.user("ann"), s.user("bob")
		ann.join("r")
		bob.join("r")
		ann.heard()
		bob.heard()
		ann.client.Message(false, []byte(`2/chat,["typing",{"room":"r","on":true}]`))
		if got := bob.heard(); !slices.Equal(got, []string{`["typing",{"room":"r","user":"ann","on":true}]`}) {
			t.Errorf("bob heard %q", got)
		}
		if got := ann.heard(); len(got) != 0 {
			t.Errorf("ann heard %q", got)
		}
	})
}

func TestRequestsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{Limits: chat.Limits{MaxText: 5}})
		ann := s.user("ann", "r", "r2")
		ann.join("r")
		type m = map[string]any
		for i, c := range []struct {
			event   string
			payload any
			want    string
		}{
			{"room:join", m{"room": ""}, "bad_request"},
			{"room:join", m{"room": strings.Repeat("x", 65)}, "bad_request"},
			{"room:join", m{"room": strings.Repeat("ü", 65)}, "bad_request"},
			{"room:join", m{"room": strings.Repeat("🏰", 65)}, "bad_request"},
			{"room:join", m{"room": " r"}, "bad_request"},
			{"room:join", m{"room": "r\n"}, "bad_request"},
			{"room:join", m{"room": "a\u202eb"}, "bad_request"},
			{"room:join", nil, "bad_request"},
			{"room:join", "r", "bad_request"},
			{"room:join", m{"room": 7}, "bad_request"},
			{"room:join", m{"room": "other"}, "forbidden"},
			{"room:join", m{"room": "r2"}, ""},
			{"room:leave", m{"room": ""}, "bad_request"},
			{"room:leave", m{"room": "r2"}, ""},
			{"room:leave", m{"room": "never joined"}, ""},
			{"message:send", m{"room": "r2", "text": "x"}, "not_in_room"},
			{"message:send", m{"room": "other", "text": "x"}, "not_in_room"},
			{"message:send", m{"room": "r"}, "bad_request"},
			{"message:send", m{"room": "r", "text": " \n"}, "bad_request"},
			{"message:send", m{"room": "r", "text": "éééééé"}, "text_too_long"},
			{"message:send", m{"room": "r", "text": "ééééé"}, ""},
			{"message:send", m{"room": "r", "text": "x", "nonce": strings.Repeat("n", 129)}, "bad_request"},
			{"typing", m{"room": "r2", "on": true}, "not_in_room"},
		} {
			if got := code(ann.request(c.event, c.payload)); got != c.want {
				t.Errorf("%d: %s %v: %q, want %q", i, c.event, c.payload, got, c.want)
			}
		}
	})
}

func TestWhoIsTakenOutOfARoomCannotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		ann := s.user("ann")
		ann.join("r")
		if err := s.ns.In("room:r").Leave("room:r"); err != nil {
			t.Fatal(err)
		}
		if got := code(ann.send("r", "x")); got != "not_in_room" {
			t.Errorf("code %q", got)
		}
	})
}

func TestARoomNameOpensNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		ann, eve := s.user("ann"), s.user("eve")
		for info := range s.ns.In().Sockets(context.Background()) {
			eve.join(info.ID)
			eve.join("room:r")
			eve.take()
			_ = s.ns.In(info.ID).Emit("private")
			_ = s.ns.In("room:r").Emit("private")
		}
		if got := eve.heard(); len(got) != 1 {
			t.Errorf("eve heard %q", got)
		}
		if got := ann.heard(); len(got) != 1 {
			t.Errorf("ann heard %q", got)
		}
	})
}

func TestAHookDecidesWhoMayJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{MayJoin: func(_ context.Context, id handshake.Identity, room string) error {
			if id.Subject+"'s" != room {
				return namespaces.Forbidden("Not yours.")
			}
			return nil
		}})
		ann := s.user("ann")
		if a, b := code(ann.join("bob's")), code(ann.join("ann's")); a != "forbidden" || b != "" {
			t.Errorf("%q and %q", a, b)
		}
	})
}

// refreshingGate is a gate that also refreshes.
type refreshingGate struct{ namespaces.GateFunc }

func (g refreshingGate) Refresh(ctx context.Context, r *handshake.Request, _ handshake.Identity) (handshake.Identity, error) {
	return g.Check(ctx, r)
}

func TestReq19_ARefreshedIdentityLeavesTheRoomsItMayNotBeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := chat.New(chat.Config{}, namespaces.WithGate(refreshingGate{gate}))
		hub, err := namespaces.NewHub(namespaces.Config{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: time.Hour}}, ns)
		if err != nil {
			t.Fatal(err)
		}
		s := &server{t, hub, ns}
		ann, bob := s.user("ann", "kept", "lost"), s.user("bob")
		for _, room := range []string{"kept", "lost"} {
			ann.join(room)
			bob.join(room)
		}
		ann.take()
		bob.take()
		if got := ann.request("auth:refresh", handshake.Identity{Subject: "ann", Name: "ANN", Rooms: []string{"kept"}}); got["ok"] != true {
			t.Errorf("refresh: %v", got)
		}
		left := []string{`["member:left",{"room":"lost","user":"ann","name":"ANN"}]`}
		if a, b := ann.heard(), bob.heard(); !reflect.DeepEqual(a, left) || !reflect.DeepEqual(b, left) {
			t.Errorf("ann heard %q, bob %q", a, b)
		}
		bob.send("lost", "x")
		bob.send("kept", "y")
		if got := ann.heard(); len(got) != 1 || !strings.Contains(got[0], `"text":"y"`) {
			t.Errorf("ann heard %q", got)
		}
		if got := code(ann.send("lost", "x")); got != chat.CodeNotInRoom {
			t.Errorf("sending: %s", got)
		}
		if got := code(ann.join("lost")); got != namespaces.CodeForbidden {
			t.Errorf("joining: %s", got)
		}
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (*tab) ID() string { return "connection" }

func (*tab) Transport() string { return "websocket" }

func (*tab) Context() context.Context { return nil }

func TestALimitThatCannotBeIsToldAtOnce(t *testing.T) {
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, "MaxText") {
			t.Errorf("it says %q", said)
		}
	}()
	chat.New(chat.Config{Limits: chat.Limits{MaxText: -1}})
}
