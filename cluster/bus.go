package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
)

// Config says what a bus connects. All fields except the limits are required.
type Config struct {
	// Client returns the client, or an error while Redis cannot be reached. It may take a
	// few seconds. The client's owner closes it, after the bus.
	Client func() (rueidis.Client, error)
	// Note gets the error of each command on a client, and returns it. May be nil.
	Note func(client rueidis.Client, err error) error
	// Prefix stands before the keys and the channel.
	Prefix string
	// MaxRevocations is how many revocations Redis may hold; zero is 100,000.
	MaxRevocations int
	// Revocations lists the revocations in force on this node.
	Revocations func() []handshake.Revocation
	// Apply puts revocations in force on this node and ends the sockets that they
	// name. It gets revocations more than once, those of this node included. Calls
	// come one at a time.
	Apply func([]handshake.Revocation)
	// Others gets the number of other servers that listen on the same channel, each time
	// that the bus has connected. May be nil.
	Others func(n int64)
	// Clock is compared with the clock of Redis; nil is time.Now.
	Clock func() time.Time
	// Logger says when the bus is connected and when not; nil means slog.Default().
	Logger *slog.Logger
}

const (
	retry    = 500 * time.Millisecond // between two tries to connect
	inboxLen = 1024                   // revocations heard and not applied; when there are more, the list is read again
	apart    = 5 * time.Second        // difference between the clocks of a node and of Redis that is worth a warning
)

// Bus spreads revocations between nodes. It is safe for concurrent use.
type Bus struct {
	cfg   Config
	store store

	inbox  chan handshake.Revocation
	behind chan struct{} // holds a token when the list must be read again
	end    context.CancelFunc
	done   sync.WaitGroup
}

// New makes a bus and connects it in the background, whether Redis is there or
// not. [Bus.Close] releases it.
func New(cfg Config) *Bus {
	if cfg.MaxRevocations <= 0 {
		cfg.MaxRevocations = 100_000
	}
	if cfg.Note == nil {
		cfg.Note = func(_ rueidis.Client, err error) error { return err }
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		cfg: cfg, store: newStore(cfg.Prefix, cfg.MaxRevocations), end: cancel,
		inbox: make(chan handshake.Revocation, inboxLen), behind: make(chan struct{}, 1),
	}
	b.done.Go(func() { b.run(ctx) })
	return b
}

// Close ends the bus and waits for it.
func (b *Bus) Close() {
	b.end()
	b.done.Wait()
}

// Spread stores a revocation that is in force on this node and tells the others, for
// a second at most and the time that Config.Client takes. After an error the
// revocation is tried again for as long as Config.Revocations has it.
func (b *Bus) Spread(ctx context.Context, m handshake.Revocation) error {
	r, err := recordOf(m)
	if err != nil {
		return err
	}
	client, err := b.cfg.Client()
	if err != nil {
		return err // the lists are compared anyway when Redis is there
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	if err := b.cfg.Note(client, b.store.put(ctx, client, r)); err != nil {
		b.catchUp()
		return err
	}
	return nil
}

// Lift takes a revocation out of Redis, so that no node that joins reads it. It reports
// whether it was there. Nodes that have it keep it.
func (b *Bus) Lift(ctx context.Context, m handshake.Revocation) (bool, error) {
	client, err := b.cfg.Client()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	lifted, err := b.store.remove(ctx, client, idOf(m))
	return lifted, b.cfg.Note(client, err)
}

// catchUp makes the bus compare its list with that of Redis soon.
func (b *Bus) catchUp() {
	select {
	case b.behind <- struct{}{}:
	default: // it is asked for already
	}
}

func (b *Bus) run(ctx context.Context) {
	away := false
	for {
		err := b.listen(ctx, func() {
			b.cfg.Logger.Info("revocations are shared over redis")
			away = false
		})
		if ctx.Err() != nil {
			return
		}
		if !away {
			b.cfg.Logger.Warn("revocations are not shared until redis can be reached", slog.Any("error", err))
			away = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
	}
}

// listen subscribes, reads missed revocations, and applies new ones until the
// connection is lost. It uses a connection of its own, because one that reconnects by
// itself would not tell that it was lost.
func (b *Bus) listen(ctx context.Context, up func()) error {
	client, err := b.cfg.Client()
	if err != nil {
		return err
	}
	own, release := client.Dedicate()
	defer release()
	defer own.Close()
	lost := own.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: b.hear})
	subscribing, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	if err := own.Do(subscribing, own.B().Subscribe().Channel(b.store.channel).Build()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := b.compare(ctx, client); err != nil {
		return err
	}
	b.compareClocks(ctx, client)
	up()
	b.count(ctx, client)
	return b.follow(ctx, client, lost)
}

// count tells Config.Others how many other servers there are. Errors of Redis
// are ignored.
func (b *Bus) count(ctx context.Context, client rueidis.Client) {
	if b.cfg.Others == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	answer, err := client.Do(ctx, client.B().PubsubNumsub().Channel(b.store.channel).Build()).AsIntMap()
	if n := answer[b.store.channel]; err == nil && n > 1 {
		b.cfg.Others(n - 1)
	}
}

// compareClocks warns when the clocks of this node and of Redis are apart. A revocation
// holds for tokens issued up to a time. So a clock that is ahead locks out users who
// sign in anew, and a clock that is behind lets in revoked ones.
func (b *Bus) compareClocks(ctx context.Context, client rueidis.Client) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	before := b.cfg.Clock()
	answer, err := client.Do(ctx, client.B().Time().Build()).AsIntSlice()
	if err != nil || len(answer) != 2 {
		return // a courtesy, as count is
	}
	redis := time.Unix(answer[0], answer[1]*int64(time.Microsecond))
	ahead := before.Sub(redis)
	if ahead.Abs()-b.cfg.Clock().Sub(before) > apart {
		b.cfg.Logger.Warn("the clocks of this node and of redis are apart: revocations hold for the wrong sign-ins; set the clocks by NTP",
			slog.Duration("ahead", ahead.Round(time.Millisecond)))
	}
}

// follow applies what is heard.
func (b *Bus) follow(ctx context.Context, client rueidis.Client, lost <-chan error) error {
	look := time.NewTicker(heartbeat)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			if givenUp(client, b.cfg.Client) {
				return errGivenUp
			}
		case err := <-lost:
			return errors.Join(errors.New("the subscription is lost"), err)
		case <-b.behind:
			if err := b.compare(ctx, client); err != nil {
				return err
			}
		case m := <-b.inbox:
			b.cfg.Apply([]handshake.Revocation{m})
		}
	}
}

// hear runs on the goroutine that reads the connection, and must not hold it up.
func (b *Bus) hear(msg rueidis.PubSubMessage) {
	m, err := parseRecord(msg.Message)
	if err != nil {
		b.cfg.Logger.Warn("redis: a message on the channel of revocations is not a revocation", slog.Int("bytes", len(msg.Message)))
		return
	}
	select {
	case b.inbox <- m:
	default:
		b.catchUp()
	}
}

// compare applies the revocations of Redis, and stores there those that only this node
// has.
func (b *Bus) compare(ctx context.Context, client rueidis.Client) error {
	there, broken, err := b.store.list(ctx, client)
	if err != nil {
		return err
	}
	if broken > 0 {
		b.cfg.Logger.Warn("redis: some revocations cannot be read", slog.Int("number", broken))
	}
	missing := b.missing(there)
	revocations := make([]handshake.Revocation, 0, len(there))
	for _, m := range there {
		revocations = append(revocations, m)
	}
	if len(revocations) > 0 {
		b.cfg.Apply(revocations)
	}
	return b.putAll(ctx, client, missing)
}

// missing returns the revocations of this node that Redis does not have, or has with
// earlier times.
func (b *Bus) missing(there map[string]handshake.Revocation) []record {
	var missing []record
	for _, m := range b.cfg.Revocations() {
		r, err := recordOf(m)
		if err != nil {
			continue // Spread has said so
		}
		if have, ok := there[r.id]; !ok || r.at > micros(have.At) || r.until > micros(have.Until) {
			missing = append(missing, r)
		}
	}
	return missing
}

func (b *Bus) putAll(ctx context.Context, client rueidis.Client, records []record) error {
	for len(records) > 0 {
		n := min(len(records), putBatch)
		batch, cancel := context.WithTimeout(ctx, listTimeout)
		err := b.store.put(batch, client, records[:n]...)
		cancel()
		if errors.Is(err, ErrFull) {
			// The revocations still hold on this node; room comes when others lapse.
			b.cfg.Logger.Error("revocations of this node are not shared", slog.Int("number", len(records)), slog.Any("error", err))
			return nil
		}
		if err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}
