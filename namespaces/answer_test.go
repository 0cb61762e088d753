package namespaces_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// TestAnUnknownEventIsNotAcknowledged checks that the client gets no answer, as with Node's server, and that the
// log names the event in development.
func TestAnUnknownEventIsNotAcknowledged(t *testing.T) {
	for _, development := range []bool{false, true} {
		core, logs := observer.New(zap.InfoLevel)
		cfg := namespaces.Config{Logger: slog.New(zapslog.NewHandler(core)), Development: development}
		run(t, cfg, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
			p := newPeer(t, h)
			p.enter("/", "ann")
			p.say(`21["mistyped"]`, `22["none"]`)
			p.expect("32[1]")
			lines := logs.FilterField(zap.String("event", "mistyped")).Len()
			if logged := lines > 0; logged != development {
				t.Errorf("development %v: %d lines name the event", development, lines)
			}
		})
	}
}

func TestAHandlerMayLeaveAnEventUnanswered(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.On(ns, "quiet", func(context.Context, *namespaces.Socket, namespaces.None) (string, error) {
		return "", namespaces.ErrUnanswered
	})
	core, logs := observer.New(zap.DebugLevel)
	run(t, namespaces.Config{Logger: slog.New(zapslog.NewHandler(core))}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["quiet"]`)
		p.expect()
		if n := logs.FilterField(zap.String("event", "quiet")).Len(); n != 0 {
			t.Errorf("what a handler wants is no failure, but %d lines say so", n)
		}
	})
}

func TestAHandlerMayAnswerLater(t *testing.T) {
	ns := namespaces.New("/")
	var later *namespaces.Answer
	namespaces.OnLater(ns, "ask", func(_ context.Context, _ *namespaces.Socket, in string, answer *namespaces.Answer) error {
		later = answer
		if in == "fail" {
			return namespaces.BadRequest("No.")
		}
		return nil
	})
	namespaces.On(ns, "next", func(context.Context, *namespaces.Socket, namespaces.None) (int, error) { return 1, nil })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["ask","it"]`, `22["next"]`)
		p.expect("32[1]")
		if err := later.Give("that", []byte{1}); err != nil || !later.Asked() {
			t.Error(err)
		}
		p.expect(`61-1["that",{"_placeholder":true,"num":0}]<01>`)
		if err := later.Give("again"); !errors.Is(err, namespaces.ErrAnswered) {
			t.Error(err)
		}
		p.say(`23["ask","fail"]`)
		p.expect(`33[{"ok":false,"error":{"code":"bad_request","message":"No."}}]`)
		if err := later.Fail(errors.New("late")); !errors.Is(err, namespaces.ErrAnswered) {
			t.Error(err)
		}
		p.say(`2["ask","it"]`)
		if err := later.Give("nobody asked"); err != nil || later.Asked() {
			t.Error(err)
		}
		p.expect()
		p.say(`24["ask","it"]`, "1")
		if err := later.Give("too late"); !errors.Is(err, namespaces.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAnArgumentThatIsAPointerMayBeMissing(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.On2(ns, "find", func(_ context.Context, _ *namespaces.Socket, what string, limit *int) (any, error) {
		if limit == nil {
			return what, nil
		}
		return *limit, nil
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["find","a"]`, `22["find","a",null]`, `23["find","a",5]`, `24["find"]`)
		p.expect(`31["a"]`, `32["a"]`, `33[5]`, `34[{"ok":false,"error":{"code":"bad_request","message":"Argument 1 is missing."}}]`)
	})
}

// TestCausesReachTheLog checks that the cause that a handler or a gate names is in the log, never sent to the client,
// and at a level that says whose fault it is.
func TestCausesReachTheLog(t *testing.T) {
	ns := namespaces.New("/")
	failing := func(err error) {
		namespaces.Handle(ns, err.Error()[:3], func(context.Context, *namespaces.Socket, namespaces.None) error { return err })
	}
	cause := errors.New("the cause")
	failing(&namespaces.Error{Code: "own", Message: "Said.", Cause: cause})
	failing(&namespaces.Error{Code: namespaces.CodeInternal, Message: "Said.", Cause: cause})
	failing(&handshake.Refusal{Code: handshake.CodeUnavailable, Message: "Said.", Cause: cause})
	namespaces.Handle(ns, "num", func(context.Context, *namespaces.Socket, struct{ Field int }) error { return nil })
	core, logs := observer.New(zap.DebugLevel)
	run(t, namespaces.Config{Logger: slog.New(zapslog.NewHandler(core))}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		for event, want := range map[string]zapcore.Level{"own": zap.WarnLevel, "int": zap.ErrorLevel, "una": zap.ErrorLevel} {
			p.say(`21["` + event + `"]`)
			if sent := strings.Join(p.take(), ""); strings.Contains(sent, "the cause") || !strings.Contains(sent, "Said.") {
				t.Errorf("%s: the client got %s", event, sent)
			}
			lines := logs.FilterField(zap.String("event", event)).FilterField(zap.NamedError("cause", cause)).All()
			if len(lines) != 1 || lines[0].Level != want {
				t.Errorf("%s: logged %+v, want one line at %v", event, lines, want)
			}
		}
		p.say(`21["num",{"Field":"text"}]`)
		lines := logs.FilterField(zap.String("event", "num")).All()
		if len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["cause"].(string), "/Field") ||
			!strings.Contains(lines[0].ContextMap()["cause"].(string), "int") {
			t.Errorf("the log does not name the field and its type: %+v", lines)
		}
	})
}

func TestInDevelopmentTheClientLearnsWhichFieldIsWrong(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.Handle(ns, "num", func(context.Context, *namespaces.Socket, struct{ Field int }) error { return nil })
	run(t, namespaces.Config{Development: true}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["num",{"Field":"text"}]`)
		if sent := strings.Join(p.take(), ""); !strings.Contains(sent, "/Field") || !strings.Contains(sent, "int") {
			t.Errorf("the client got %s", sent)
		}
	})
}

// TestTheCauseOfARefusedConnectIsInTheLog also checks the level, which depends on whose fault it is.
func TestTheCauseOfARefusedConnectIsInTheLog(t *testing.T) {
	cause := errors.New("connection refused")
	for name, c := range map[string]struct {
		err  error
		want zapcore.Level
	}{
		"ours":     {&handshake.Refusal{Code: handshake.CodeUnavailable, Message: "Wait.", Cause: cause}, zap.WarnLevel},
		"theirs":   {&handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "No.", Cause: cause}, zap.DebugLevel},
		"unworded": {cause, zap.ErrorLevel},
	} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			gate := namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
				return handshake.Identity{}, c.err
			})
			cfg := namespaces.Config{Gate: gate, Logger: slog.New(zapslog.NewHandler(core))}
			run(t, cfg, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
				newPeer(t, h).say("0")
				lines := logs.FilterMessage("socket refused").All()
				if len(lines) != 1 || lines[0].Level != c.want {
					t.Fatalf("logged %+v, want one line at %v", lines, c.want)
				}
				if said := lines[0].ContextMap(); said["cause"] != cause.Error() && !strings.Contains(said["error"].(string), cause.Error()) {
					t.Errorf("the line does not name the cause: %v", said)
				}
			})
		})
	}
}

// revoked is a Rechecker that knows one subject.
type revoked string

func (r revoked) Recheck(id handshake.Identity) error {
	if id.Subject == string(r) {
		return &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "Revoked."}
	}
	return nil
}

// TestWhoIsRevokedStaysOutWhateverTheGate checks the promise of Hub.Revoke in namespaces with a gate of their own.
func TestWhoIsRevokedStaysOutWhateverTheGate(t *testing.T) {
	asked := 0
	ns := namespaces.New("/", namespaces.WithGate(open))
	ns.Admit(func(context.Context, *namespaces.Socket) error { asked++; return nil })
	run(t, namespaces.Config{Rechecker: revoked("ann")}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.say(connectTo("/", "ann"))
		p.expect(`4{"message":"Revoked.","data":{"code":"token_invalid"}}`)
		p.enter("/", "bob")
		if asked != 1 {
			t.Errorf("the admission was asked about %d clients, want 1", asked)
		}
	})
}

// TestEmitsThatReachNobodyEverAreErrors emits in namespaces that are not part of a running hub.
func TestEmitsThatReachNobodyEverAreErrors(t *testing.T) {
	ns := namespaces.New("/")
	if err := ns.Emit("e"); !errors.Is(err, namespaces.ErrNotMounted) {
		t.Error(err)
	}
	if _, err := ns.In("room").EmitAck(context.Background(), "e"); !errors.Is(err, namespaces.ErrNotMounted) {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		newHub(t, namespaces.Config{}, ns)
		if err := ns.Emit("e", packet.Args{}); err != nil {
			t.Error(err)
		}
	})
	if err := ns.In("room").Emit("e"); !errors.Is(err, namespaces.ErrHubClosed) {
		t.Error(err)
	}
}
