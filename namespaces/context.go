package namespaces

import (
	"context"
	"time"
)

// socketContext makes a socket the context of its handlers. It costs nothing until a handler waits for its end: then it makes
// a context of the standard library and delegates to that.
type socketContext Socket

// lazyContext is the context behind a socketContext.
type lazyContext struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func (l *socketContext) make() *lazyContext {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lazy == nil {
		ctx, cancel := context.WithCancel(valuesOf(l.conn))
		l.lazy = &lazyContext{ctx, cancel}
		if l.phase == ended {
			cancel()
		}
	}
	return l.lazy
}

// Deadline implements context.Context.
func (l *socketContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (l *socketContext) Done() <-chan struct{} { return l.make().ctx.Done() }

// Err implements context.Context.
func (l *socketContext) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lazy != nil {
		return l.lazy.ctx.Err() // consistent with Done, which the cancelling goroutine may not have closed yet
	}
	if l.phase == ended {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context. The standard library looks here for its own context, to make children of it without a
// goroutine.
func (l *socketContext) Value(key any) any {
	l.mu.Lock()
	life := l.lazy
	l.mu.Unlock()
	if life == nil {
		return valuesOf(l.conn).Value(key)
	}
	return life.ctx.Value(key)
}

// valuesOf returns a context without an end that has the values of a connection. Most connections have none, and a
// context around them would cost two allocations for each value that is looked up.
func valuesOf(conn Conn) context.Context {
	values := conn.Context()
	switch {
	case values == nil:
		return context.Background()
	case values.Done() == nil:
		return values
	}
	return context.WithoutCancel(values)
}

// withValues is a context that has the values of a connection, too.
type withValues struct {
	context.Context
	values context.Context
}

// Value implements context.Context.
func (c withValues) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}
