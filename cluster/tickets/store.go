// Package tickets keeps tickets in Redis, so that the node which redeems one
// need not be the node that made it. It keeps the contract of
// [handshake.TicketStore]: one atomic command redeems a ticket, and when Redis
// cannot be reached, that is an error and never an admission.
package tickets

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
)

// DefaultPrefix stands before the key of every ticket.
const DefaultPrefix = "gatehouse:ticket:"

// DefaultTimeout bounds one command.
const DefaultTimeout = 2 * time.Second

// Store is a ticket store on Redis 6.2 or later. It is safe for concurrent use.
type Store struct {
	conn    Conn
	prefix  string
	timeout time.Duration
}

var _ handshake.TicketStore = (*Store)(nil)

// Conn is the connection that a store uses, such as a redisconn.Conn.
type Conn interface {
	// Client returns the client, or an error while Redis cannot be reached.
	Client() (rueidis.Client, error)
	// Note gets the error of a command, and returns it.
	Note(client rueidis.Client, err error) error
}

// New makes a store on a connection, which the caller closes. An empty prefix is
// DefaultPrefix; a timeout of zero is DefaultTimeout.
func New(conn Conn, prefix string, timeout time.Duration) *Store {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Store{conn: conn, prefix: prefix, timeout: timeout}
}

// Put keeps a record for ttl, to the millisecond. Redis forgets it by itself.
// The number of records has no limit here, because the limit on minting bounds
// it.
func (s *Store) Put(ctx context.Context, key [32]byte, record []byte, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return nil // it has lapsed already
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	client, err := s.conn.Client()
	if err != nil {
		return err
	}
	put := client.B().Set().Key(s.key(key)).Value(rueidis.BinaryString(record)).Nx().Px(ttl).Build()
	if err := s.conn.Note(client, client.Do(ctx, put).Error()); err != nil {
		return fmt.Errorf("redis set: %w", err)
	}
	return nil
}

// Redeem takes a record out with GETDEL. When the answer is lost on its way,
// the ticket is gone and its holder needs another one, which is safe.
func (s *Store) Redeem(ctx context.Context, key [32]byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	client, err := s.conn.Client()
	if err != nil {
		return nil, err
	}
	record, err := client.Do(ctx, client.B().Getdel().Key(s.key(key)).Build()).AsBytes()
	err = s.conn.Note(client, err)
	switch {
	case rueidis.IsRedisNil(err):
		return nil, handshake.ErrNoTicket
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("redis getdel: no answer within %s: %w", s.timeout, err)
	case err != nil:
		return nil, fmt.Errorf("redis getdel: %w", err)
	}
	return record, nil
}

func (s *Store) key(key [32]byte) string { return s.prefix + hex.EncodeToString(key[:]) }
