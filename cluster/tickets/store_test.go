package tickets

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"gatehouse/handshake"
)

// TestMain passes over a goroutine of the Redis client that sleeps, for a second at
// most, before it finds its client closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

const secret = "0123456789abcdef0123456789abcdef"

// stores are what each test runs on: Redis when TEST_REDIS_ADDR names one
// (make test starts it), and always the store in memory, whose behaviour both
// have.
func stores(t *testing.T) map[string]handshake.TicketStore {
	t.Helper()
	all := map[string]handshake.TicketStore{"memory": handshake.NewMemoryTickets(100, nil)}
	addr := os.Getenv("TEST_REDIS_ADDR")
	if addr == "" {
		t.Log("TEST_REDIS_ADDR is not set: the memory store only")
		return all
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	all["redis"] = New(fixed{client}, "gatehouse:test:"+t.Name()+time.Now().String()+":", 0)
	return all
}

// fixed is a connection that never changes.
type fixed struct{ client rueidis.Client }

func (f fixed) Client() (rueidis.Client, error)        { return f.client, nil }
func (f fixed) Note(_ rueidis.Client, err error) error { return err }

func newGate(t *testing.T, store handshake.TicketStore) *handshake.Gate {
	t.Helper()
	g, err := handshake.NewGate(handshake.GateConfig{
		JWT: handshake.JWTConfig{HMACSecret: secret}, Deps: handshake.Deps{Tickets: store},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func withTicket(ticket string) *handshake.Request {
	raw, err := json.Marshal(map[string]string{"ticket": ticket})
	if err != nil {
		panic(err)
	}
	return &handshake.Request{Namespace: "/", Auth: raw}
}

func codeOf(err error) handshake.Code {
	var refusal *handshake.Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// On a busy machine some callers are told that the store does not answer. They are refused, and one of them may have
// taken the ticket.
func TestReq09_OnlyOneOfThousandRedemptionsSucceeds(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			minting, redeeming := newGate(t, store), newGate(t, store) // two nodes
			ticket, _, err := minting.MintTicket(t.Context(), handshake.Identity{Subject: "ann", Method: handshake.MethodToken}, handshake.TicketBinding{})
			if err != nil {
				t.Fatal(err)
			}
			var in, used, unanswered atomic.Int32
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					id, err := redeeming.Check(t.Context(), withTicket(ticket))
					switch {
					case err == nil && id.Subject == "ann":
						in.Add(1)
					case codeOf(err) == handshake.CodeTicketInvalid:
						used.Add(1)
					case codeOf(err) == handshake.CodeUnavailable:
						unanswered.Add(1)
					default:
						t.Errorf("%+v %v", id, err)
					}
				})
			}
			all.Wait()
			if n := in.Load(); n > 1 || n < 1 && unanswered.Load() == 0 || used.Load() == 0 {
				t.Fatalf("%d were let in, %d refused, %d not answered", n, used.Load(), unanswered.Load())
			}
		})
	}
}

func TestReq09_TheStoreForgets(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			key := sha256.Sum256([]byte(name))
			if _, err := store.Redeem(t.Context(), key); !errors.Is(err, handshake.ErrNoTicket) {
				t.Fatalf("a ticket that never was: %v", err)
			}
			if err := store.Put(t.Context(), key, []byte("record\x00\xff"), time.Minute); err != nil {
				t.Fatal(err)
			}
			record, err := store.Redeem(t.Context(), key)
			if err != nil || string(record) != "record\x00\xff" {
				t.Fatalf("%q, %v", record, err)
			}
			if _, err := store.Redeem(t.Context(), key); !errors.Is(err, handshake.ErrNoTicket) {
				t.Fatalf("twice: %v", err)
			}
		})
	}
}

func TestReq12_ARedisThatIsLostIsUnavailable(t *testing.T) {
	for name, answer := range map[string]string{"silent": "", "gone": "close", "failing": "-LOADING not now\r\n", "read-only": "-READONLY replica\r\n"} {
		t.Run(name, func(t *testing.T) {
			client, err := rueidis.NewClient(rueidis.ClientOption{
				InitAddress: []string{fakeRedis(t, answer)}, DisableCache: true, AlwaysRESP2: true, ForceSingleClient: true,
				ClientSetInfo: rueidis.DisableClientSetInfo,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			g := newGate(t, New(fixed{client}, "", 100*time.Millisecond))
			_, err = g.Check(t.Context(), withTicket(strings.Repeat("A", 43)))
			if codeOf(err) != handshake.CodeUnavailable {
				t.Fatalf("got %v", err)
			}
			_, _, err = g.MintTicket(t.Context(), handshake.Identity{Subject: "ann"}, handshake.TicketBinding{})
			if codeOf(err) != handshake.CodeUnavailable {
				t.Fatalf("minting: got %v", err)
			}
		})
	}
}

// fakeRedis agrees to everything, and gives the answer to tickets: nothing at
// all, a closed connection, or an error.
func fakeRedis(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serveFake(conn, answer) })
		}
	})
	return listener.Addr().String()
}

func serveFake(conn net.Conn, answer string) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		reply := ""
		switch strings.ToUpper(lines.Text()) {
		case "GETDEL", "SET":
			if reply = answer; answer == "close" {
				return
			}
		case "PING", "CLIENT", "SELECT", "HELLO":
			reply = "+OK\r\n"
		}
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}
