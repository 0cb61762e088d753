package main

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// attachments is the header of an event with ten attachments.
func attachments(namespace string) string {
	var b strings.Builder
	b.WriteString("4510-")
	if namespace != "" {
		b.WriteString(namespace + ",")
	}
	b.WriteString(`["x"`)
	for i := range 10 {
		fmt.Fprintf(&b, `,{"_placeholder":true,"num":%d}`, i)
	}
	return b.String() + "]"
}

// half is a frame whose last byte is missing.
func half(op ws.OpCode, payload []byte) []byte {
	b := wiretest.Frame(op, true, payload)
	return b[:len(b)-1]
}

// strangersAttachments: nine attachments before admission, the tenth unfinished.
func strangersAttachments(ctx context.Context, t *target) error {
	data := make([]byte, 64<<10)
	crowd(ctx, t.many(1500), func(ctx context.Context, _ int) {
		c, err := t.stranger(ctx, wiretest.Options{})
		if err != nil || c.Send(attachments("")) != nil {
			return
		}
		for range 9 {
			if c.SendBinary(data) != nil {
				return
			}
		}
		_ = c.Write(half(ws.OpBinary, data))
		swallow(c)
	})
	return nil
}

// strangersHalfFrames: the largest frame that a stranger may send, never finished.
func strangersHalfFrames(ctx context.Context, t *target) error {
	crowd(ctx, t.many(1500), func(ctx context.Context, _ int) {
		c, err := t.stranger(ctx, wiretest.Options{})
		if err != nil {
			return
		}
		_ = c.Write(half(ws.OpText, []byte(`40{"token":"`+strings.Repeat("x", 60<<10))))
		swallow(c)
	})
	return nil
}

// pingsUnread: PING frames with a body, whose PONGs nobody reads.
func pingsUnread(ctx context.Context, t *target) error {
	burst := bytes.Repeat(wiretest.Frame(ws.OpPing, true, make([]byte, 125)), 200)
	crowd(ctx, t.many(200), func(ctx context.Context, _ int) {
		c, err := t.stranger(ctx, wiretest.Options{})
		if err != nil {
			return
		}
		repeat(ctx, 50, func() error { return c.Write(burst) })
	})
	return nil
}

// pingsRead: the same from many clients, which read.
func pingsRead(ctx context.Context, t *target) error {
	burst := bytes.Repeat(wiretest.Frame(ws.OpPing, true, make([]byte, 16)), 20)
	crowd(ctx, t.many(1500), func(ctx context.Context, _ int) {
		c, err := t.stranger(ctx, wiretest.Options{})
		if err != nil {
			return
		}
		go swallow(c)
		repeat(ctx, 5, func() error { return c.Write(burst) })
	})
	return nil
}

// bombs: compressed frames that are no error and inflate to 700 times their size.
func bombs(ctx context.Context, t *target) error {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = io.WriteString(z, "6"+strings.Repeat(" ", 60<<10))
	_ = z.Flush()
	packed := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	frame := ws.NewFrame(ws.OpText, true, packed)
	frame.Header.Rsv = ws.Rsv(true, false, false)
	var raw bytes.Buffer
	_ = ws.WriteFrame(&raw, ws.MaskFrame(frame))
	burst := bytes.Repeat(raw.Bytes(), 50)
	offer := wiretest.Options{Header: http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate; client_no_context_takeover; server_no_context_takeover"}}}
	crowd(ctx, t.many(100), func(ctx context.Context, _ int) {
		for ctx.Err() == nil { // a server that cuts a bomber meets the next one
			c, err := t.stranger(ctx, offer)
			if err != nil {
				continue
			}
			go swallow(c)
			repeat(ctx, 10, func() error { return c.Write(burst) })
			c.Drop()
		}
	})
	return nil
}

// bodiesThatNeverCome: requests that announce a body, and connections that say
// nothing, more than the server may open files.
func bodiesThatNeverCome(ctx context.Context, t *target) error {
	crowd(ctx, 600, func(ctx context.Context, i int) {
		c, err := t.tcp(ctx)
		if err != nil {
			return
		}
		if i%2 == 0 {
			_, _ = io.WriteString(c, "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
		}
		_, _ = io.Copy(io.Discard, c)
	})
	<-ctx.Done()
	return nil
}

// wrongTokens: guessing from the address that everybody else comes from too.
func wrongTokens(ctx context.Context, t *target) error {
	crowd(ctx, t.many(50), func(ctx context.Context, i int) {
		repeat(ctx, 20, func() error {
			c, err := t.stranger(ctx, wiretest.Options{})
			if err != nil {
				return ctx.Err()
			}
			_ = c.Send(fmt.Sprintf(`40/echo,{"token":"guess-%d"}`, i))
			_, _ = c.Next()
			c.Drop()
			return ctx.Err()
		})
	})
	return nil
}

// silent: connections that never sign in, and come again when they are closed.
func silent(ctx context.Context, t *target) error {
	crowd(ctx, t.many(1500), func(ctx context.Context, _ int) {
		for ctx.Err() == nil {
			if c, err := t.stranger(ctx, wiretest.Options{}); err == nil {
				swallow(c)
			}
		}
	})
	return nil
}
