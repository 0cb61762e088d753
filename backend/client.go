package backend

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/internal/spans"
)

// Client asks one back end. It is safe for concurrent use.
type Client struct {
	live   atomic.Pointer[live]
	http   *http.Client
	log    *slog.Logger
	places *limit.Queue[handshake.UserKey]
	told   *backlog
	stats  stats

	ctx     context.Context // context of requests, which outlive the caller that has begun a batch
	stop    context.CancelFunc
	senders sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []*question
	sending int
	closed  bool
}

// question is an event that waits for its answer.
type question struct {
	event  Event
	span   trace.Span // the span of the question; none where it is not traced
	answer Answer
	err    error
	done   chan struct{}
}

// ErrClosed is returned by [Client.Ask] after Close.
var ErrClosed = errors.New("the back end's client is closed")

const waitingPerPlace = 256 // how many callers may wait for one of max_in_flight places

// New returns a client. The logger may be nil: [slog.Default].
func New(cfg Config, log *slog.Logger) (*Client, error) {
	c := &Client{log: cmp.Or(log, slog.Default())}
	use, err := c.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	use()
	cfg = c.Config()
	c.http = &http.Client{Transport: newTransport(cfg), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	places := cfg.MaxInFlight * cfg.BatchSize
	c.places = limit.NewQueue[handshake.UserKey](limit.QueueConfig{
		Places: places, PerKey: max(1, places/2), Waiting: cfg.MaxInFlight * waitingPerPlace,
	})
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.told = newBacklog(c)
	return c, nil
}

// live is the configuration in force, with its defaults.
type live struct {
	Config
	keys    [][]byte
	breaker *limit.Breaker[handshake.UserKey] // of URL, over configurations
}

func (c *Client) conf() *live { return c.live.Load() }

// Config returns the configuration in force.
func (c *Client) Config() Config { return c.conf().Config }

// Prepare checks a new configuration, which counts for each request that begins after use has been called. MaxInFlight,
// Batch and BatchSize stay as they were at New. A back end at another URL is not left alone for what the one before
// did.
func (c *Client) Prepare(cfg Config) (use func(), err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	next := &live{Config: cfg.withDefaults(), breaker: limit.NewBreaker[handshake.UserKey](time.Now)}
	if now := c.conf(); now != nil {
		next.MaxInFlight, next.Batch, next.BatchSize = now.MaxInFlight, now.Batch, now.BatchSize
		if next.URL == now.URL {
			next.breaker = now.breaker
		}
	}
	if next.keys, err = keys(next.Config); err != nil {
		return nil, err
	}
	return func() { c.live.Store(next) }, nil
}

// Ask sends an event and returns the answer. It waits for a place, in turn with
// other users, as long as ctx allows; for one socket, events are asked one after
// the other. The error is an [*Unavailable] when the back end did not answer, ctx's
// when that ended first, or says what is wrong with the answer.
func (c *Client) Ask(ctx context.Context, e Event) (Answer, error) {
	c.stats.asked.Add(1)
	ctx, span := spans.Under(ctx, "back end", trace.SpanKindInternal)
	answer, err := c.askInTurn(ctx, e)
	if err != nil {
		c.stats.failed.Add(1)
	}
	spans.End(span, failure(err))
	return answer, err
}

// failure is the code of an error in spans.
func failure(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.As(err, new(*Unavailable)):
		return "unavailable"
	case errors.As(err, new(wrongAnswer)):
		return "wrong_answer"
	case errors.As(err, new(*statusError)):
		return "wrong_status"
	}
	return "no_answer"
}

// askInTurn waits for a place, and asks.
func (c *Client) askInTurn(ctx context.Context, e Event) (Answer, error) {
	user := userKey(e)
	leave, err := c.places.Enter(ctx, user, false)
	if err != nil {
		return Answer{}, &Unavailable{RetryAfter: retrySoon, Cause: fmt.Errorf("wait for a place: %w", err)}
	}
	defer leave()
	return c.ask(ctx, user, e)
}

func userKey(e Event) handshake.UserKey {
	if e.User == nil {
		return handshake.UserKey{}
	}
	return handshake.UserKey{Issuer: e.User.Issuer, Subject: e.User.Subject}
}

// ask asks once the caller has a place.
func (c *Client) ask(ctx context.Context, user handshake.UserKey, e Event) (Answer, error) {
	breaker := c.conf().breaker
	pause, err := breaker.Begin(ctx)
	if err != nil {
		return Answer{}, err
	}
	if pause > 0 {
		return Answer{}, &Unavailable{RetryAfter: pause, Cause: errors.New("it did not answer, and is left alone for a moment")}
	}
	q := &question{event: e.completed(), span: trace.SpanFromContext(ctx), done: make(chan struct{})}
	if err := c.enqueue(q); err != nil {
		breaker.End(user, limit.NoOutcome, 0)
		return Answer{}, err
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		breaker.End(user, limit.NoOutcome, 0)
		return Answer{}, ctx.Err()
	}
	var status *statusError
	var after time.Duration
	if errors.As(q.err, &status) {
		after = status.retryAfter
	}
	how := outcome(c.ctx, q.err)
	breaker.End(user, how, after)
	switch {
	case q.err == nil:
		return q.answer, nil
	case how == limit.Answered:
		c.log.Error("back end: wrong answer", "url", c.conf().URL, "event", e.Event, "type", e.Type, "id", q.event.ID, "cause", q.err)
		return Answer{}, q.err
	}
	c.log.Warn("back end: no answer", "url", c.conf().URL, "event", e.Event, "type", e.Type, "id", q.event.ID, "cause", q.err)
	return Answer{}, &Unavailable{RetryAfter: cmp.Or(after, retrySoon), Cause: q.err}
}

// enqueue hands a question to a running sender, or to a new one.
func (c *Client) enqueue(q *question) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.waiting = append(c.waiting, q)
	if c.sending < c.conf().MaxInFlight {
		c.sending++
		c.senders.Go(c.send)
	}
	return nil
}

// send asks the waiting questions, until none is left.
func (c *Client) send() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), c.conf().BatchSize)
		if n == 0 {
			c.sending--
			c.mu.Unlock()
			return
		}
		batch := c.waiting[:n:n]
		c.waiting = c.waiting[n:]
		c.mu.Unlock()
		c.exchange(batch)
	}
}

// exchange sends questions in one request and fills in their answers.
func (c *Client) exchange(batch []*question) {
	events := make([]Event, len(batch))
	for i, q := range batch {
		events[i] = q.event
		if c.conf().Batch { // the header has room for one
			events[i].Traceparent = spans.Parent(q.span)
		}
	}
	of := make([]trace.Span, len(batch))
	for i, q := range batch {
		of[i] = q.span
	}
	ctx, span := c.begin(of)
	answers, err := c.deliver(ctx, events)
	spans.End(span, failure(err))
	for i, q := range batch {
		if q.err = err; err == nil {
			q.answer = answers[i]
		}
		close(q.done)
	}
}

// begin begins the span of a request, where one of its events is traced: below the span of the first one, with links to
// those of the others.
func (c *Client) begin(events []trace.Span) (context.Context, trace.Span) {
	ctx, links := c.ctx, []trace.Link(nil)
	for _, event := range events {
		switch of := event.SpanContext(); {
		case !of.IsValid():
		case !spans.In(ctx):
			ctx = trace.ContextWithSpan(ctx, event) //nolint:fatcontext // once, for the first that is traced
		default:
			links = append(links, trace.Link{SpanContext: of})
		}
	}
	return spans.Under(ctx, http.MethodPost, trace.SpanKindClient, links...)
}

// deliver sends some events in one request.
func (c *Client) deliver(ctx context.Context, events []Event) ([]Answer, error) {
	var content any = events
	if !c.conf().Batch {
		content = events[0]
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	c.stats.requests.Add(1)
	answer, err := c.post(ctx, events[0].ID, body)
	if err != nil {
		return nil, err
	}
	answers, err := decode(answer, len(events), c.conf().Batch)
	if err != nil {
		return nil, wrongAnswer{err}
	}
	return answers, nil
}

// Close goes on sending the events that [Client.Tell] still keeps, until ctx ends. Then it ends requests under way, and
// returns when all have ended.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	err := c.told.close(ctx)
	c.stop()
	c.senders.Wait()
	c.http.CloseIdleConnections()
	return err
}

// counts are the numbers of events since the start, and of those that wait.
type counts struct {
	Asked, Failed   uint64 // questions
	Requests        uint64 // all events, those of Ask and of Tell
	Told, Lost      uint64 // events without an answer: delivered, given up
	Waiting, Untold int    // questions that wait for a place; events that are kept
}

// stats are counters.
type stats struct{ asked, failed, requests, told, lost atomic.Uint64 }

// counted returns the client's counts.
func (c *Client) counted() counts {
	return counts{
		Asked: c.stats.asked.Load(), Failed: c.stats.failed.Load(), Requests: c.stats.requests.Load(),
		Told: c.stats.told.Load(), Lost: c.stats.lost.Load(),
		Waiting: c.places.Waiting(), Untold: c.told.len(),
	}
}
