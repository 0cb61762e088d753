package server_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/namespaces"
	"gatehouse/server"
)

// Events that wait when the server cuts a client off are not handled: the client
// was cut because its handlers are behind, or because it does not read their
// answers.
func TestEventsOfAClientThatIsCutAreDropped(t *testing.T) {
	big := strings.Repeat("x", 64<<10)
	for _, c := range []struct {
		name    string
		pause   time.Duration                                   // how long reading may be paused; 0: the default
		handler func(ctx context.Context, s *namespaces.Socket) // runs until the client is cut
	}{
		{"overload", 100 * time.Millisecond, func(ctx context.Context, _ *namespaces.Socket) { <-ctx.Done() }},
		{"slow consumer", 0, func(ctx context.Context, s *namespaces.Socket) {
			for ctx.Err() == nil {
				_ = s.Emit("news", big)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			over(t, func(t *testing.T, transport string) {
				var handled atomic.Int32
				reason, sent := make(chan string, 1), make(chan struct{})
				ns := namespaces.New("/cut")
				namespaces.Handle(ns, "work", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) error {
					<-sent
					c.handler(ctx, s)
					return nil
				})
				namespaces.Handle(ns, "count", func(context.Context, *namespaces.Socket, namespaces.None) error {
					handled.Add(1)
					return nil
				})
				ns.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, why string) { reason <- why })
				cfg := server.Config{}
				cfg.Engine.PauseTimeout = c.pause
				cfg.Engine.OutboxBytes = 1 << 20
				cfg.Engine.CloseTimeout = 50 * time.Millisecond // the client polls no more
				cfg.Sockets.QueueEvents = 2
				r := serve(t, cfg, ns)
				client := come(t, r.addr, way{transport: transport})
				if got := sendConnect(client, "/cut", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
					t.Fatal(got)
				}
				for _, event := range []string{"work", "count", "count"} {
					client.send(`42/cut,["` + event + `"]`)
				}
				close(sent)
				if why := <-reason; why != namespaces.ReasonTransportError {
					t.Errorf("the disconnect handler was told %q", why)
				}
				if n := handled.Load(); n != 0 {
					t.Errorf("%d events were handled after the cut", n)
				}
				_ = r.stopped()
				says(t, r.log.String(), `"reason":"`+c.name+`"`)
			})
		})
	}
}
