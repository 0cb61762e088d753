package cluster

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/tickets"
	"gatehouse/handshake"
)

// held is a connection that has been made already.
type held struct{ client rueidis.Client }

func (h held) Client() (rueidis.Client, error)        { return h.client, nil }
func (h held) Note(_ rueidis.Client, err error) error { return err }

// restrict makes clients of the server use the Redis user that the page about
// clusters shows.
func (r *redisServer) restrict() {
	r.t.Helper()
	page, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		r.t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^ACL SETUSER .*$`).FindString(string(page))
	r.do(r.client(), strings.Fields(rule)...)
	r.user, r.password = "gatehouse", "password"
}

// Field faults, last paragraph: a Redis user with the documented rights is enough.
func TestField_TheDocumentedUserOfRedisIsEnough(t *testing.T) {
	r := startRedis(t)
	admin := r.client()
	r.restrict()
	client := r.client()
	for _, command := range [][]string{{"KEYS", "*"}, {"GET", "other"}, {"PUBLISH", "other", "x"}} {
		if err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).Error(); err == nil || rueidis.IsRedisNil(err) {
			t.Errorf("the user may run %v", command)
		}
	}
	t.Run("revocations", func(t *testing.T) {
		bus, _, _ := join(t, client, "gatehouse:", 0)
		_, _, heard := join(t, client, "gatehouse:", 0)
		sent := revocation("ada", time.Hour)
		if err := bus.Spread(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		hears(t, heard, "ada")
		if lifted, err := bus.Lift(t.Context(), sent); err != nil || !lifted {
			t.Errorf("lifted: %v, %v", lifted, err)
		}
	})
	t.Run("tickets", func(t *testing.T) {
		gate, err := handshake.NewGate(handshake.GateConfig{
			JWT:  handshake.JWTConfig{HMACSecret: "a secret for tests only, longer than thirty-two bytes"},
			Deps: handshake.Deps{Tickets: tickets.New(held{client}, "gatehouse:ticket:", 0), Logger: slog.New(slog.DiscardHandler)},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(gate.Close)
		ticket, _, err := gate.MintTicket(t.Context(), handshake.Identity{Subject: "ada", Method: handshake.MethodToken}, handshake.TicketBinding{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gate.Check(t.Context(), &handshake.Request{Namespace: "/", Auth: []byte(`{"ticket":"` + ticket + `"}`)}); err != nil {
			t.Error(err)
		}
	})
	for _, mode := range []Mode{ModeStreams, ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			recovery := time.Duration(0)
			if mode == ModeStreams {
				recovery = time.Minute
			}
			if mode == ModePubSub {
				r.do(admin, "ACL", "SETUSER", "gatehouse", "&*") // as the page says
			}
			nodes := fleet(t, r, 2, NodeConfig{Mode: mode, Recovery: recovery, Settings: Settings{Key: "socket.io-" + string(mode), Patience: time.Minute}}, nil)
			if err := nodes[0].node.Join(t.Context()); err != nil {
				t.Error(err)
			}
			there := nodes[1].visit()
			nodes[1].until("the rooms are heard", nodes[1].hearsRooms)
			if err := nodes[0].ns.In("room", "other").Emit("hi"); err != nil {
				t.Fatal(err)
			}
			there.expect(1)
			for _, err := range nodes[0].ns.In("room").Sockets(t.Context()) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	t.Run("counting users", func(t *testing.T) {
		nodes := limited(t, r, 1, NodeConfig{Settings: Settings{Key: "socket.io-users"}})
		first := nodes[0].sign()
		r.counted(nodes[0], admin, first)
		nodes[1].sign()
		first.m.until("the older connection is closed", first.gone)
	})
	t.Run("the chat", func(t *testing.T) {
		ann := joinChat(t, r, NodeConfig{}).visitChat("ann")
		ann.join("r", "")
		ann.say("r", "hello", "n")
	})
}

// Sentinels are named as the page says.
func TestField_SentinelsAreNamedInTheAddress(t *testing.T) {
	page, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile("redis://sentinel[^`]*").FindString(string(page))
	option, err := rueidis.ParseURL(address)
	if err != nil || option.Sentinel.MasterSet != "mymaster" || len(option.InitAddress) != 3 {
		t.Errorf("%s: %+v, %v", address, option, err)
	}
}
