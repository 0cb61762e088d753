package redisconn

import (
	"context"
	"time"

	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"gatehouse/internal/spans"
)

// timed is a client that reports how long its commands took, and makes a span for each whose context is traced. A span
// names the command, not its keys.
type timed struct {
	rueidis.Client
	asked func(took time.Duration, err error) // may be nil
}

// Do implements rueidis.Client.
func (t *timed) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	blocks, began := cmd.IsBlock(), time.Now() // Do recycles cmd, so IsBlock is asked before
	ctx, span := under(ctx, cmd)
	result := t.Client.Do(ctx, cmd)
	t.told(span, began, blocks, result.NonRedisError())
	return result
}

// DoMulti implements rueidis.Client. Its commands count as one.
func (t *timed) DoMulti(ctx context.Context, cmds ...rueidis.Completed) []rueidis.RedisResult {
	began := time.Now()
	ctx, span := under(ctx, cmds...)
	results := t.Client.DoMulti(ctx, cmds...)
	var err error
	for _, r := range results {
		if err == nil {
			err = r.NonRedisError()
		}
	}
	t.told(span, began, false, err)
	return results
}

// told ends what was asked.
func (t *timed) told(span trace.Span, began time.Time, blocks bool, err error) {
	if t.asked != nil && !blocks {
		t.asked(time.Since(began), err)
	}
	code := ""
	if err != nil {
		code = "no_answer"
	}
	spans.End(span, code)
}

// under begins the span of several commands. The first one gives it its name.
func under(ctx context.Context, cmds ...rueidis.Completed) (context.Context, trace.Span) {
	if len(cmds) == 0 || !spans.In(ctx) {
		return ctx, noop.Span{}
	}
	name := cmds[0].Commands()[0]
	ctx, span := spans.Under(ctx, "redis "+name, trace.SpanKindClient)
	span.SetAttributes(attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", name))
	return ctx, span
}
