package bridge_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
	"gatehouse/engine"
)

func TestEventsOfASocketAreHandledOneAfterTheOther(t *testing.T) {
	const events = 200
	began, goOn := make(chan any, events), make(chan struct{})
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("n", func(args ...any) {
				began <- args[0]
				<-goOn
			})
			_ = s.On("probe", func(args ...any) { args[0].(socket.Ack)([]any{"seen"}, nil) })
		})
	})
	c := a.open().join("/", "")
	for n := range events {
		c.send(fmt.Sprintf(`42["n",%d]`, n))
	}
	other := a.open().join("/", "")
	for n := range events {
		if got := receive(t, began); got != float64(n) {
			t.Fatalf("event %v came in the place of %d", got, n)
		}
		// While this listener waits, an event of another socket goes through the
		// library and is answered: in that time the next one here could have begun.
		other.send(`420["probe"]`)
		other.until("43")
		select {
		case next := <-began:
			t.Fatalf("event %v began while %d was handled", next, n)
		default:
		}
		goOn <- struct{}{}
	}
}

func TestAnEventWaitsForItsConnectionListener(t *testing.T) {
	connecting, goOn := make(chan struct{}), make(chan struct{})
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			close(connecting)
			<-goOn
			_ = s.On("early", func(args ...any) { args[0].(socket.Ack)([]any{"heard"}, nil) })
		})
	})
	c := a.open()
	c.send("40", `420["early"]`)
	receive(t, connecting)
	close(goOn)
	if got := c.until("43"); got != `430["heard"]` {
		t.Errorf("got %s", got)
	}
}

func TestListenersAddedWhileClientsConnectDoNotLoseConnections(t *testing.T) {
	const clients = 20
	arrived := make(chan struct{}, clients)
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("hello", func(...any) { arrived <- struct{}{} })
		})
	})
	all := make([]*client, clients)
	for i := range all {
		all[i] = a.open()
	}
	for _, c := range all {
		c.send("40", `42["hello"]`)
	}
	for range all {
		receive(t, arrived)
	}
	if n := len(a.io.Sockets().Listeners("connection")); n != 1 {
		t.Errorf("%d connection listeners are left, want the application's one", n)
	}
}

func TestEventNamesOfAClientLeaveNothingBehind(t *testing.T) {
	sockets := make(chan *socket.Socket, 1)
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("last", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
			sockets <- s
		})
	})
	c := a.open().join("/", "")
	s := receive(t, sockets)
	before := len(s.EventNames())
	for n := range 100 {
		c.send(fmt.Sprintf(`42["made up %d"]`, n))
	}
	c.send(`421["last"]`)
	c.until("431")
	if after := len(s.EventNames()); after != before {
		t.Errorf("%d event names are kept, want %d", after, before)
	}
	if n := s.ListenerCount("last"); n > 2 { // ours may still be on its way out
		t.Errorf("%d listeners for an event that has one", n)
	}
}

func TestAPanicInANamespaceMiddlewareEndsThatConnectionOnly(t *testing.T) {
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		io.Of("/mine", nil).Use(func(*socket.Socket, func(*socket.ExtendedError)) { panic("a fault of the application") })
	})
	other := a.open().join("/", "")
	c := a.open()
	c.send("40/mine,")
	if code, _ := c.closed(); code != engine.CodeInternal {
		t.Errorf("closed with %d", code)
	}
	other.send("41", "40")
	other.until("40{")
}

func TestAMiddlewareThatDropsAnEventStallsNobody(t *testing.T) {
	a := serve(t, bridge.Config{LateNext: time.Millisecond}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			s.Use(func(event []any, next func(error)) {
				if event[0] != "dropped" {
					next(nil)
				}
			})
			_ = s.On("kept", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
		})
	})
	c := a.open().join("/", "")
	c.send(`42["dropped"]`, `42["dropped"]`, `425["kept"]`)
	c.until("435[]")
}

func TestAListenerThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	a := serve(t, bridge.Config{EventWait: time.Millisecond}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("hang", func(...any) { <-hang })
			_ = s.On("next", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
		})
	})
	t.Cleanup(func() { close(hang) })
	c := a.open().join("/", "")
	c.send(`42["hang"]`, `426["next"]`)
	c.until("436[]")
}

func TestAClientThatFillsTheQueueIsReadNoMore(t *testing.T) {
	goOn, handled := make(chan struct{}), make(chan struct{}, 200)
	a := serve(t, bridge.Config{QueuePackets: 10}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("slow", func(...any) {
				<-goOn
				handled <- struct{}{}
			})
		})
	})
	c := a.open().join("/", "")
	for range cap(handled) {
		c.send(`42["slow"]`)
	}
	close(goOn)
	for range cap(handled) {
		receive(t, handled)
	}
}

func TestAClientThatIsAskedAndFloodsIsCut(t *testing.T) {
	goOn := make(chan struct{})
	a := serve(t, bridge.Config{QueuePackets: 10}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("ask", func(...any) {
				_ = s.Emit("question", func([]any, error) {})
				<-goOn
			})
		})
	})
	c := a.open().join("/", "")
	c.send(`42["ask"]`)
	c.until("42")
	for range 100 {
		c.send(`42["ask"]`)
	}
	code, reason := c.closed()
	close(goOn)
	if code != engine.CodeTryAgainLater || reason != "overload" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestAttachmentsTravelWithTheirPacket(t *testing.T) {
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("file", func(args ...any) {
				b, ok := args[0].(*types.BytesBuffer)
				if !ok {
					t.Errorf("an attachment is a %T", args[0])
					return
				}
				_ = io.Emit("file", b.Clone(), "and", []byte("another"))
			})
		})
	})
	c := a.open().join("/", "")
	c.send(`451-["file",{"_placeholder":true,"num":0}]`)
	c.sendBinary([]byte{7})
	if got := c.next(); !strings.HasPrefix(got, `452-["file",`) {
		t.Fatalf("got %q", got)
	}
	if first, second := c.next(), c.next(); first != "\x07" || second != "another" {
		t.Errorf("attachments are %q and %q", first, second)
	}
}

func TestABroadcastIsEncodedOnceAndReachesEverybody(t *testing.T) {
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("all", func(args ...any) { io.Emit("all", args...) })
		})
	})
	everybody := []*client{a.open().join("/", ""), a.open().join("/", ""), a.open().join("/", "")}
	for n := range 50 {
		everybody[0].send(fmt.Sprintf(`42["all",%d]`, n))
	}
	for n := range 50 {
		for _, c := range everybody {
			if got, want := c.next(), fmt.Sprintf(`42["all",%d]`, n); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}

func TestTheDisconnectListenerHearsWhy(t *testing.T) {
	cases := map[string]struct {
		leave func(*client)
		want  string
	}{
		"DISCONNECT":      {func(c *client) { c.send("41") }, "client namespace disconnect"},
		"transport":       {func(c *client) { c.Drop() }, "transport close"},
		"no packet":       {func(c *client) { c.send("42") }, "parse error"},
		"close packet":    {func(c *client) { c.send("1") }, "transport close"},
		"server":          {func(c *client) { c.send(`42["kick"]`) }, "server namespace disconnect"},
		"invalid packets": {func(c *client) { c.send("40") }, "forced server close"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			reasons := make(chan any, 1)
			a := serve(t, bridge.Config{}, func(io *socket.Server) {
				connected(io, func(s *socket.Socket) {
					_ = s.On("kick", func(...any) { s.Disconnect(true) })
					_ = s.On("disconnect", func(args ...any) { reasons <- args[0] })
				})
			})
			tc.leave(a.open().join("/", ""))
			if got := receive(t, reasons); got != tc.want {
				t.Errorf("the reason is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhatCameBeforeTheEndIsHandledBeforeDisconnect(t *testing.T) {
	heard := make(chan any, 101)
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("n", func(args ...any) { heard <- args[0] })
			_ = s.On("disconnect", func(...any) { heard <- "disconnect" })
		})
	})
	c := a.open().join("/", "")
	for n := range 100 {
		c.send(fmt.Sprintf(`42["n",%d]`, n))
	}
	c.send("1")
	for n := range 100 {
		if got := receive(t, heard); got != float64(n) {
			t.Fatalf("%v came in the place of %d", got, n)
		}
	}
	if got := receive(t, heard); got != "disconnect" {
		t.Errorf("%v came last", got)
	}
}

func TestCloseFromAListenerDoesNotWaitForItself(t *testing.T) {
	ended := make(chan struct{})
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("stop", func(...any) {
				io.Close(nil)
				close(ended)
			})
		})
	})
	a.open().join("/", "").send(`42["stop"]`)
	receive(t, ended)
	a.bound.Close()
	if n := a.bound.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestTheRequestIsShownAsTheApplicationKnowsIt(t *testing.T) {
	shakes := make(chan *socket.Handshake, 1)
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) { shakes <- s.Handshake() })
	})
	a.open().join("/", `{"a":1}`)
	h := receive(t, shakes)
	auth, _ := h.Auth.(map[string]any)
	query := url.Values(h.Query)
	if query.Get("k") != "v" || query.Get("transport") != "websocket" || auth["a"] != 1.0 ||
		!strings.HasPrefix(h.Address, "127.0.0.1:") || !strings.HasPrefix(h.Url, "/socket.io/?") {
		t.Errorf("the handshake is %+v", h)
	}
	a.open().join("/", "")
	if _, ok := receive(t, shakes).Auth.(map[string]any); !ok {
		t.Error("a CONNECT without payload gives no empty object, as Node does")
	}
}

func TestOptionsOfTheApplicationGoOnToCount(t *testing.T) {
	opts := socket.DefaultServerOptions()
	opts.SetPingInterval(7 * time.Second)
	opts.SetMaxHttpBufferSize(4242)
	opts.SetTransports(types.NewSet("websocket"))
	opts.SetAllowRequest(func(ctx *types.HttpContext) error {
		if ctx.Query().Has("k") {
			return nil
		}
		return errors.New("not without k")
	})
	opts.SetCors(&types.Cors{Origin: "https://page.example", Credentials: true})
	a := serveWith(t, bridge.Config{}, opts, func(*socket.Server) {})
	a.open()
	for query, want := range map[string]string{
		"transport=polling&k=v": "Transport unknown",
		"transport=websocket":   "Bad request", // no upgrade
	} {
		resp, err := http.Get(a.http.URL + "/socket.io/?EIO=4&" + query)
		if err != nil {
			t.Fatal(err)
		}
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body.String(), want) {
			t.Errorf("%s: %d %s, want %s", query, resp.StatusCode, body, want)
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://page.example" {
			t.Errorf("the CORS header is %q", got)
		}
	}
	if shown := a.io.Engine().Opts().PingInterval(); shown != 7*time.Second {
		t.Errorf("the application sees a ping interval of %v", shown)
	}
}

// Options of ServeHandler, Attach or Listen go to Bind; those of NewServer win,
// as there.
func TestOptionsOfTheHandlerCount(t *testing.T) {
	given := socket.DefaultServerOptions()
	given.SetPingInterval(7 * time.Second)
	given.SetPingTimeout(8 * time.Second)
	given.SetCors(&types.Cors{Origin: "https://page.example"})
	own := socket.DefaultServerOptions()
	own.SetPingTimeout(9 * time.Second)
	a := serveWith(t, bridge.Config{Options: given}, own, func(*socket.Server) {})
	resp, err := http.Get(a.http.URL + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	body := new(bytes.Buffer)
	_, _ = body.ReadFrom(resp.Body)
	resp.Body.Close()
	if !strings.Contains(body.String(), `"pingInterval":7000,"pingTimeout":9000`) {
		t.Errorf("the session opens with %s", body)
	}
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://page.example" {
		t.Errorf("the CORS header is %q", got)
	}
	if interval := given.PingTimeout(); interval != 8*time.Second {
		t.Errorf("the given options were changed: %v", interval)
	}

	given.SetAllowEIO3(true)
	if _, err := bridge.Bind(socket.NewServer(nil, nil), bridge.Config{Options: given}); err == nil {
		t.Error("a given option that cannot be honoured is lost without a word")
	}
}

func TestWhatCannotBeHonouredIsRefusedAtTheStart(t *testing.T) {
	cases := map[string]func(*socket.ServerOptions){
		"SetAllowEIO3":     func(o *socket.ServerOptions) { o.SetAllowEIO3(true) },
		"SetCookie":        func(o *socket.ServerOptions) { o.SetCookie(&http.Cookie{Name: "io"}) },
		"SetInitialPacket": func(o *socket.ServerOptions) { o.SetInitialPacket(strings.NewReader("x")) },
		"SetTransports":    func(o *socket.ServerOptions) { o.SetTransports(types.NewSet("webtransport")) },
		"SetParser":        func(o *socket.ServerOptions) { o.SetParser(otherParser{parser.NewParser()}) },
	}
	for name, set := range cases {
		opts := socket.DefaultServerOptions()
		set(opts)
		if _, err := bridge.Bind(socket.NewServer(nil, opts), bridge.Config{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerIsBoundOnce(t *testing.T) {
	a := serve(t, bridge.Config{}, func(*socket.Server) {})
	if _, err := bridge.Bind(a.io, bridge.Config{}); !errors.Is(err, bridge.ErrBound) {
		t.Errorf("the second Bind says %v", err)
	}
}

func TestAPanicInADisconnectListenerIsLogged(t *testing.T) {
	var log lines
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	a := serve(t, bridge.Config{Engine: engine.Config{Logger: logger}}, func(io *socket.Server) {
		connected(io, func(s *socket.Socket) {
			_ = s.On("disconnect", func(...any) { panic("a fault of the application") })
		})
	})
	a.open().join("/", "").Drop()
	a.bound.Close()
	if !strings.Contains(log.String(), "a fault of the application") {
		t.Errorf("the log is %q", log.String())
	}
}
