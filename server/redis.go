package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/zap"

	"gatehouse/handshake"
	"gatehouse/handshake/redisstore"
)

// redisTickets keeps tickets in Redis, which may be away when the server
// starts: the server starts all the same, because most ways in need no Redis,
// and tickets are answered with "unavailable" until it is there. Once
// connected, the client reconnects by itself.
type redisTickets struct {
	// Fixed.
	option rueidis.ClientOption
	prefix string
	log    *zap.Logger

	mu     sync.Mutex // guards what follows
	client rueidis.Client
	store  *redisstore.Store
	failed error     // of the last try
	next   time.Time // when to try again
	there  bool      // what the last PING said
	asked  time.Time // when that was
	closed bool
}

const (
	redisRetry = time.Second     // between two tries to connect
	redisDial  = 2 * time.Second // one of them
)

var _ handshake.TicketStore = (*redisTickets)(nil)

func newRedisTickets(cfg Redis, log *zap.Logger) (*redisTickets, error) {
	option, err := rueidis.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return nil, errors.New("redis.url: cannot be read") // Check has said more
	}
	option.DisableCache = true
	option.ConnWriteTimeout = redisDial
	option.Dialer.Timeout = redisDial
	option.ClientName = "gatehouse"
	r := &redisTickets{option: option, prefix: cfg.Prefix + "ticket:", log: log}
	if _, err := r.connected(); err != nil {
		log.Warn("redis cannot be reached: tickets are unavailable until it can", zap.Error(err))
	}
	return r, nil
}

// connected gives the store, connecting first where that has not worked yet.
// One caller connects; the others wait for it, no longer than redisDial.
func (r *redisTickets) connected() (*redisstore.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store != nil || r.closed || time.Now().Before(r.next) {
		return r.store, r.failed
	}
	client, err := rueidis.NewClient(r.option)
	if err != nil {
		r.failed, r.next = fmt.Errorf("connect to redis: %w", err), time.Now().Add(redisRetry)
		return nil, r.failed
	}
	r.client, r.store, r.failed = client, redisstore.New(client, r.prefix, 0), nil
	r.log.Info("redis connected")
	return r.store, nil
}

// shared gives the client itself, for what else is shared over Redis.
func (r *redisTickets) shared() (rueidis.Client, error) {
	if store, err := r.connected(); store == nil {
		return nil, errors.Join(errRedisClosed, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client, nil
}

var errRedisClosed = errors.New("redis: closed")

// Put implements handshake.TicketStore.
func (r *redisTickets) Put(ctx context.Context, key [32]byte, record []byte, ttl time.Duration) error {
	store, err := r.connected()
	if store == nil {
		return errors.Join(errRedisClosed, err)
	}
	return store.Put(ctx, key, record, ttl)
}

// Redeem implements handshake.TicketStore.
func (r *redisTickets) Redeem(ctx context.Context, key [32]byte) ([]byte, error) {
	store, err := r.connected()
	if store == nil {
		return nil, errors.Join(errRedisClosed, err)
	}
	return store.Redeem(ctx, key)
}

// reachable says whether Redis is there. Anybody can make the server ask, so an
// answer is kept for a moment.
func (r *redisTickets) reachable(ctx context.Context) bool {
	store, _ := r.connected()
	r.mu.Lock()
	defer r.mu.Unlock()
	if store == nil || r.closed {
		return false
	}
	if time.Since(r.asked) > redisRetry {
		ctx, cancel := context.WithTimeout(ctx, redisDial)
		defer cancel()
		r.there = r.client.Do(ctx, r.client.B().Ping().Build()).Error() == nil
		r.asked = time.Now()
	}
	return r.there
}

func (r *redisTickets) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.client != nil {
		r.client.Close()
		r.store = nil
	}
}
