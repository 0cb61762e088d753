package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A node's name is a lease in Redis, renewed with each heartbeat. Two nodes with one name could not be told apart in
// logs, lists and metrics. Often they would be two processes with the same configuration.

// ErrNameTaken is returned by [Node.Join] when another node that is there has the name of this one.
var ErrNameTaken = errors.New("another node that is there has this name")

// naming is what a node knows about its name.
type naming struct {
	taken atomic.Bool // by another node
}

var (
	// holdScript takes a name, or keeps it. It returns the id of the node that has it.
	holdScript = rueidis.NewLuaScript(`
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`)
	// leaveScript gives a name back.
	leaveScript = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0`)
)

func (n *Node) nameKey() string { return n.everyone() + "#name#" + n.cfg.Name }

// holdName takes the node's name or keeps it; it returns the node that has it, or an error while Redis cannot be reached.
func (n *Node) holdName(ctx context.Context) (owner string, err error) {
	if n.cfg.Name == "" {
		return n.uid, nil
	}
	client, err := n.cfg.Client()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	lease := strconv.FormatInt(memberLimit.Milliseconds(), 10)
	owner, err = holdScript.Exec(ctx, client, []string{n.nameKey()}, []string{n.uid, lease}).ToString()
	if err = n.cfg.Note(client, err); err != nil {
		return "", fmt.Errorf("take the name %q: %w", n.cfg.Name, err)
	}
	if taken := owner != n.uid; n.naming.taken.Swap(taken) != taken && taken {
		n.cfg.Logger.Error("cluster: another node has the name of this one; give each its own cluster.name",
			slog.String("name", n.cfg.Name), slog.String("other", owner))
	}
	return owner, nil
}

func (n *Node) leaveName(ctx context.Context) {
	client, err := n.cfg.Client()
	if err != nil || n.cfg.Name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	_ = leaveScript.Exec(ctx, client, []string{n.nameKey()}, []string{n.uid}).Error() // or it lapses
}

// Join waits until the node has its name, hears the others, and its own operations come back. When Redis has not
// answered for Settings.Patience, the node begins alone. It returns [ErrNameTaken] when another node keeps the name for
// longer than a dead node would.
func (n *Node) Join(ctx context.Context) error {
	if err := n.joinName(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Patience)
	defer cancel()
	for {
		if st := n.Status(); st.Ready && st.Backlog == 0 {
			return nil
		}
		if !wait(ctx, 10*time.Millisecond) {
			return nil
		}
	}
}

func (n *Node) joinName(ctx context.Context) error {
	began := time.Now()
	for {
		owner, err := n.holdName(ctx)
		waited := time.Since(began)
		switch {
		case owner == n.uid, err != nil && waited > n.cfg.Patience: // alone: it takes its name when Redis is back
			return nil
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the server is being stopped: the result has no use any more
		case err == nil && waited > memberLimit+heartbeat:
			return fmt.Errorf("%w: %q belongs to the node %s; give this one another cluster.name", ErrNameTaken, n.cfg.Name, owner)
		}
		if !wait(ctx, reconnect) {
			return nil
		}
	}
}

// wait waits some time; it reports false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
