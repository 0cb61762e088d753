// Package redisconn holds the one connection to Redis, which tickets, revocations
// and everything else that nodes share use. Only this package connects,
// reconnects and checks the health of Redis.
//
// Redis may be away when the server starts, and later: calls then fail at once,
// and work again when it is back. A Redis that takes no writes, such as a primary
// that has become a replica and kept its connections, counts as away; the
// connection is then made anew, and reaches the new primary if a name, a proxy or
// Sentinel leads to it.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Config says which Redis. Option and Logger are needed.
type Config struct {
	Option rueidis.ClientOption // as Options gives it
	Prefix string               // stands before the key that health is tried with
	Logger *slog.Logger
	// Asked is told how long each command took, except blocking ones. May be nil.
	Asked func(took time.Duration, err error)
	// Traced makes spans for commands whose context is traced.
	Traced bool
}

const (
	retry       = time.Second     // time between two tries to connect, and how long an answer about health is kept
	dialTimeout = 2 * time.Second // time limit of one try to connect, and of one check of health
	silence     = 2 * time.Second // silence after which a connection is asked whether it is alive
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("redis: closed")

// Conn is a connection to Redis. It is safe for concurrent use. No lock is held
// while Redis is asked, except while connecting: one caller connects, and the
// others wait for it, for two seconds at most.
type Conn struct {
	cfg Config

	connecting sync.Mutex // held while connecting; before mu

	mu     sync.Mutex // guards what follows
	client rueidis.Client
	failed error     // of the last try to connect
	next   time.Time // when to try again
	closed bool
	sick   bool      // writes were refused, and none has succeeded since
	asked  time.Time // when health was last known
	health error
	look   chan struct{} // closed when the look under way ends; nil when none is

	looks sync.WaitGroup
}

// New makes a connection and tries it once. [Conn.Close] releases it.
func New(cfg Config) *Conn {
	cfg.Option.DisableCache = true
	cfg.Option.ConnWriteTimeout = dialTimeout
	cfg.Option.Dialer.Timeout, cfg.Option.Dialer.KeepAlive = dialTimeout, silence
	cfg.Option.ClientName = "gatehouse"
	c := &Conn{cfg: cfg}
	if _, err := c.Client(); err != nil {
		cfg.Logger.Warn("redis cannot be reached: tickets are unavailable until it can", slog.Any("error", err))
	}
	return c
}

// Client returns the client, connecting first if needed. The connection closes
// the client; call Client anew for each use.
func (c *Conn) Client() (rueidis.Client, error) {
	if client, err, known := c.known(); known {
		return client, err
	}
	c.connecting.Lock()
	defer c.connecting.Unlock()
	if client, err, known := c.known(); known {
		return client, err
	}
	client, err := Connect(c.cfg.Option)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed, c.next = fmt.Errorf("connect to redis: %w", err), time.Now().Add(retry)
		return nil, c.failed
	}
	if c.closed {
		client.Close()
		return nil, ErrClosed
	}
	if c.cfg.Asked != nil || c.cfg.Traced {
		client = &timed{Client: client, asked: c.cfg.Asked}
	}
	c.client, c.failed = client, nil
	c.cfg.Logger.Info("redis connected")
	return client, nil
}

// known returns the client without connecting.
func (c *Conn) known() (client rueidis.Client, err error, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed, true
	case c.client != nil:
		return c.client, nil, true
	case time.Now().Before(c.next):
		return nil, c.failed, true
	}
	return nil, nil, false
}

// Note looks at the error of a command of client. When Redis takes no writes, the
// connection is given up and made anew with the next use, not more often than
// once a second. It returns the error.
func (c *Conn) Note(client rueidis.Client, err error) error {
	if !takesNoWrites(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != client || c.closed {
		return err // somebody else has seen it
	}
	if !c.sick {
		c.cfg.Logger.Error("redis takes no writes: connecting anew until it does", slog.Any("error", err))
	}
	c.sick, c.health, c.asked = true, err, time.Now()
	c.client, c.failed, c.next = nil, fmt.Errorf("redis takes no writes: %w", err), time.Now().Add(retry)
	c.looks.Go(client.Close) // Close waits for commands under way
	return err
}

// takesNoWrites reports whether an error says that the server takes no writes.
func takesNoWrites(err error) bool {
	var answer *rueidis.RedisError
	if !errors.As(err, &answer) { // callers put before it what they did
		return false
	}
	for _, code := range []string{"READONLY", "MASTERDOWN", "LOADING"} {
		if strings.HasPrefix(answer.Error(), code) {
			return true
		}
	}
	return false
}

// Known returns the last known health without asking Redis: nil when Redis took
// writes the last time, or has not been asked yet.
func (c *Conn) Known() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil && c.failed != nil {
		return c.failed
	}
	return c.health
}

// Health tries a write, and returns nil when Redis takes it. Any client of the
// server can cause it, so a result is kept for a second, and concurrent callers
// share one try. When the ctx of one caller ends, the try goes on.
func (c *Conn) Health(ctx context.Context) error {
	c.mu.Lock()
	if c.closed || time.Since(c.asked) < retry {
		defer c.mu.Unlock()
		if c.closed {
			return ErrClosed
		}
		return c.health
	}
	look := c.look
	if look == nil {
		look = make(chan struct{})
		c.look = look
		c.looks.Go(func() { c.try(look) })
	}
	c.mu.Unlock()
	select {
	case <-look:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.health
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try checks the health.
func (c *Conn) try(look chan struct{}) {
	client, err := c.Client()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		defer cancel()
		err = client.Do(ctx, client.B().Set().Key(c.cfg.Prefix+"health").Value("1").Px(10*time.Second).Build()).Error()
		err = c.Note(client, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.sick {
		c.sick = false
		c.cfg.Logger.Info("redis takes writes again")
	}
	c.health, c.asked, c.look = err, time.Now(), nil
	close(look)
}

// Close ends the connection and waits for what it started.
func (c *Conn) Close() {
	c.mu.Lock()
	client := c.client
	c.closed, c.client = true, nil
	c.mu.Unlock()
	if client != nil {
		client.Close()
	}
	c.looks.Wait()
}
