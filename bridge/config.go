package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/engine"
	"gatehouse/packet"
)

// Defaults of Config.
const (
	DefaultQueuePackets = 1024
	DefaultQueueBytes   = 4 << 20
	DefaultEventWait    = time.Minute
	DefaultLateNext     = 100 * time.Millisecond
	DefaultCloseWait    = 5 * time.Second
)

// hardQueue is how many times the queue's limits a connection may reach while
// its listeners wait for an acknowledgement of their client.
const hardQueue = 4

// Config is what [Bind] needs to know. The zero value works. The application's
// socket.ServerOptions (ping times, buffer size, transports, AllowRequest, CORS)
// still apply; a field of Engine that is set here wins.
type Config struct {
	// Options are the options that the application has given to ServeHandler,
	// Attach or Listen; nil if there are none. Options of NewServer take
	// precedence, as there. They are not changed.
	Options socket.ServerOptionsInterface
	// Engine configures the sessions. Without KeepHeaders, the DefaultHeaders are
	// kept for the application and the gate.
	Engine engine.Config
	// Limits bound the packets of a client.
	Limits packet.Limits

	// QueuePackets and QueueBytes limit the packets that wait for the listeners
	// of one connection. Above them the client is not read, unless an
	// acknowledgement has been awaited for less than EventWait; at four times as
	// much the connection ends.
	QueuePackets int
	QueueBytes   int

	// EventWait limits how long the next event waits for a listener; then it is
	// handed over while that listener may still run.
	EventWait time.Duration
	// LateNext is how long an event waits for a middleware (Socket.Use) that
	// returned without calling next. Most never call it: they drop the event.
	LateNext time.Duration
	// CloseWait limits how long a closed connection waits for the listeners of
	// its earlier packets.
	CloseWait time.Duration
}

// DefaultHeaders are the request headers that are kept of each connection.
func DefaultHeaders() []string {
	return []string{
		"Accept-Language", "Authorization", "Cookie", "Forwarded", "Origin", "Referer", "Sec-Fetch-Site",
		"Sec-Websocket-Protocol", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Real-Ip", "X-Request-Id",
	}
}

func (c Config) withDefaults(opts socket.ServerOptionsInterface) Config {
	setDefault(&c.QueuePackets, DefaultQueuePackets)
	setDefault(&c.QueueBytes, DefaultQueueBytes)
	setDefault(&c.EventWait, DefaultEventWait)
	setDefault(&c.LateNext, DefaultLateNext)
	setDefault(&c.CloseWait, DefaultCloseWait)
	e := &c.Engine
	if e.KeepHeaders == nil {
		e.KeepHeaders = DefaultHeaders()
	}
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	setFrom(&e.PingInterval, opts.GetRawPingInterval())
	setFrom(&e.PingTimeout, opts.GetRawPingTimeout())
	setFrom(&e.UpgradeTimeout, opts.GetRawUpgradeTimeout())
	if size := opts.GetRawMaxHttpBufferSize(); size != nil && e.MaxPayload == 0 {
		e.MaxPayload = int(*size)
	}
	if compression := opts.GetRawHttpCompression(); compression != nil && e.CompressAbove == 0 {
		e.CompressAbove = compression.Threshold
	}
	if allow := opts.GetRawAllowUpgrades(); allow != nil && !*allow {
		e.NoUpgrades = true
	}
	e.Check = checks(transportCheck(opts), requestCheck(opts), e.Check)
	return c
}

// options merges the options of the server with those of its handler.
func (c Config) options(io *socket.Server) socket.ServerOptionsInterface {
	if c.Options == nil {
		return io.Opts()
	}
	joined := socket.DefaultServerOptions()
	joined.Assign(c.Options)
	joined.Assign(io.Opts())
	return joined
}

// setFrom takes over a setting of the application, unless field has a value.
func setFrom[T comparable](field *T, set *T) {
	if set != nil {
		setDefault(field, *set)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// supported refuses options that would have no effect.
func supported(opts socket.ServerOptionsInterface) error {
	var errs []error
	refuse := func(when bool, what string) {
		if when {
			errs = append(errs, errors.New("bridge: "+what))
		}
	}
	_, checked := opts.GetRawParser().(checkedParser)
	refuse(opts.GetRawParser() != nil && !checked, "SetParser: our engine carries the standard parser only")
	refuse(opts.AllowEIO3(), "SetAllowEIO3: clients of Socket.IO 2 are not served; leave it out")
	refuse(opts.GetRawInitialPacket() != nil, "SetInitialPacket: emit from the connection listener instead")
	refuse(opts.GetRawCookie() != nil, "SetCookie: let the load balancer set the cookie for sticky sessions")
	if set := opts.GetRawTransports(); set != nil {
		for _, name := range set.Keys() {
			refuse(name != "polling" && name != "websocket", fmt.Sprintf("SetTransports: no transport %q", name))
		}
	}
	return errors.Join(errs...)
}

// check is engine.Config.Check.
type check = func(*http.Request) *engine.Refusal

// checks combines checks, which are asked one after the other. Nil checks are
// left out.
func checks(all ...check) check {
	return func(r *http.Request) *engine.Refusal {
		for _, c := range all {
			if c == nil {
				continue
			}
			if refusal := c(r); refusal != nil {
				return refusal
			}
		}
		return nil
	}
}

// Numbers of Engine.IO's errors.
const (
	unknownTransport = 0
	forbidden        = 4
)

// transportCheck refuses a transport that the application left out.
func transportCheck(opts socket.ServerOptionsInterface) check {
	set := opts.GetRawTransports()
	if set == nil {
		return nil
	}
	return func(r *http.Request) *engine.Refusal {
		if set.Has(r.URL.Query().Get("transport")) {
			return nil
		}
		return &engine.Refusal{Status: http.StatusBadRequest, Code: unknownTransport, Message: "Transport unknown"}
	}
}

// requestCheck asks the application's AllowRequest.
func requestCheck(opts socket.ServerOptionsInterface) check {
	allow := opts.GetRawAllowRequest()
	if allow == nil {
		return nil
	}
	return func(r *http.Request) *engine.Refusal {
		ctx := types.NewHttpContext(nowhere{}, r)
		defer ctx.Flush() // ends the goroutine that belongs to the context
		if err := allow(ctx); err != nil {
			return &engine.Refusal{Status: http.StatusForbidden, Code: forbidden, Message: err.Error()}
		}
		return nil
	}
}
