package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// mallory is the one bad user.
const mallory = "mallory"

// userAttachments: events of one user whose last attachment never comes.
func userAttachments(ctx context.Context, t *target) error {
	data := make([]byte, 990_000)
	crowd(ctx, t.many(100), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/echo", mallory)
		if err != nil || c.Send(attachments("/echo")) != nil {
			return
		}
		for range 9 {
			if c.SendBinary(data) != nil {
				return
			}
		}
		_ = c.(*wiretest.WebSocket).Write(half(ws.OpBinary, data))
		swallow(c)
	})
	return nil
}

// disconnects: a busy room, and somebody in it who leaves and comes back without
// end.
func disconnects(ctx context.Context, t *target) error {
	crowd(ctx, t.many(800), func(ctx context.Context, i int) {
		c, err := t.member(ctx, "websocket", "/chat", fmt.Sprint("member-", i))
		if err != nil || joinRoom(c, "hall") != nil {
			return
		}
		go swallow(c)
		switch {
		case i < 50:
			repeat(ctx, 1, func() error { return c.Send("41/chat,", `40/chat,{"token":"`+t.token(fmt.Sprint("member-", i))+`"}`) })
		case i < 150:
			repeat(ctx, 1, func() error { return c.Send(`42/chat,["typing",{"room":"hall","on":true}]`) })
		default:
			<-ctx.Done()
		}
	})
	return nil
}

// typing: one user types, again and again, in a room of many.
func typing(ctx context.Context, t *target) error {
	crowd(ctx, t.many(2000), func(ctx context.Context, i int) {
		user := fmt.Sprint("member-", i)
		if i == 0 {
			user = mallory
		}
		c, err := t.member(ctx, "websocket", "/chat", user)
		if err != nil || joinRoom(c, "hall") != nil {
			return
		}
		go swallow(c)
		if i > 0 {
			<-ctx.Done()
			return
		}
		on := false
		repeat(ctx, 30, func() error {
			on = !on
			return c.Send(fmt.Sprintf(`42/chat,["typing",{"room":"hall","on":%v}]`, on))
		})
	})
	return nil
}

// joins: one user joins a room that is full of history, again and again.
func joins(ctx context.Context, t *target) error {
	writer, err := t.member(ctx, "websocket", "/chat", mallory)
	if err == nil {
		err = joinRoom(writer, "library")
	}
	if err != nil {
		return err
	}
	for n := range 100 {
		_ = writer.Send(fmt.Sprintf(`42/chat,%d["message:send",{"room":"library","text":%q}]`, n+1, strings.Repeat("x", 2000)))
	}
	go swallow(writer)
	crowd(ctx, t.many(20), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/chat", mallory)
		if err != nil {
			return
		}
		go swallow(c)
		repeat(ctx, 50, func() error {
			return c.Send(`42/chat,1["room:join",{"room":"library"}]`, `42/chat,2["room:leave",{"room":"library"}]`)
		})
	})
	return nil
}

// busy: 400 connections of one user that ask as fast as they are answered.
func busy(ctx context.Context, t *target) error {
	crowd(ctx, t.many(400), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/echo", mallory)
		if err != nil {
			return
		}
		for n := 1; ctx.Err() == nil; n++ {
			if c.Send(fmt.Sprintf(`42/echo,%d["echo","hello"]`, n)) != nil {
				return
			}
			if _, err := until(c, "43/echo,"); err != nil {
				return
			}
		}
	})
	return nil
}

// manyNumbers: events of a megabyte that cost much to read.
func manyNumbers(ctx context.Context, t *target) error {
	event := `42/echo,1["echo",[` + strings.Repeat("1,", 480_000) + `1]]`
	crowd(ctx, t.many(10), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/echo", mallory)
		if err != nil {
			return
		}
		go swallow(c)
		repeat(ctx, 5, func() error { return c.Send(event) })
	})
	return nil
}

// refreshes: refused ones without end.
func refreshes(ctx context.Context, t *target) error {
	crowd(ctx, t.many(20), func(ctx context.Context, _ int) {
		c, err := t.member(ctx, "websocket", "/echo", mallory)
		if err != nil {
			return
		}
		go swallow(c)
		burst := make([]string, 50)
		for i := range burst {
			burst[i] = fmt.Sprintf(`42/echo,%d["auth:refresh",{"token":"wrong"}]`, i)
		}
		repeat(ctx, 20, func() error { return c.Send(burst...) })
	})
	return nil
}

// texts: a flood of long messages into a room whose members read 2 MB a second
// each. None of them may be cut for it.
func texts(ctx context.Context, t *target) error { return flooded(ctx, t, t.many(200), 2000, "x") }

// textsToFew: the same into a room of few who read 200 KB a second each, which is far
// below what the server can send to so few, with characters of three bytes. Without a
// limit on the sender several times as much would wait for them.
func textsToFew(ctx context.Context, t *target) error { return flooded(ctx, t, 10, 200, "€") }

// flooded lets one user send messages of 4,000 such characters at full speed to
// readers who take the given number of bytes in a millisecond.
func flooded(ctx context.Context, t *target, readers, perMilli int, character string) error {
	cut := make(chan error, readers)
	crowd(ctx, readers+1, func(ctx context.Context, i int) {
		user := mallory
		if i > 0 {
			user = fmt.Sprint("reader-", i)
		}
		c, err := t.member(ctx, "websocket", "/chat", user)
		if err != nil || joinRoom(c, "hall") != nil {
			return
		}
		if i == 0 {
			go swallow(c)
			text := strings.Repeat(character, 4000)
			for n := 1; ctx.Err() == nil && c.Send(fmt.Sprintf(`42/chat,%d["message:send",{"room":"hall","text":%q}]`, n, text)) == nil; n++ {
			}
			return
		}
		if err := readSlowly(ctx, c, perMilli); err != nil {
			cut <- fmt.Errorf("an honest reader was cut: %w", err)
		}
	})
	select {
	case err := <-cut:
		return err
	default:
		return nil
	}
}

// readSlowly reads at most the given number of bytes in a millisecond. It fails when
// the server ends the connection.
func readSlowly(ctx context.Context, c wiretest.Client, perMilli int) error {
	begin, read := time.Now(), 0
	for {
		p, err := c.Next()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the attack is over, and with it the connection
		}
		if err != nil {
			return err
		}
		read += len(p.Text)
		time.Sleep(time.Until(begin.Add(time.Duration(read/perMilli) * time.Millisecond)))
	}
}

// hoarders: polling sessions of one user that never fetch their messages.
func hoarders(ctx context.Context, t *target) error {
	crowd(ctx, t.many(600), func(ctx context.Context, i int) {
		c, err := t.member(ctx, "polling", "/chat", mallory)
		if err != nil || joinRoom(c, "attic") != nil {
			return
		}
		if i > 0 {
			<-ctx.Done()
			return
		}
		text := strings.Repeat("x", 4000)
		repeat(ctx, 100, func() error {
			return c.Send(`42/chat,["message:send",{"room":"attic","text":"` + text + `"}]`)
		})
	})
	return nil
}

// manyRooms: one user opens as many rooms as there can be.
func manyRooms(ctx context.Context, t *target) error {
	crowd(ctx, t.many(10), func(ctx context.Context, i int) {
		c, err := t.member(ctx, "websocket", "/chat", mallory)
		if err != nil {
			return
		}
		go swallow(c)
		for n := range 1024 {
			if c.Send(fmt.Sprintf(`42/chat,%d["room:join",{"room":"r-%d-%d"}]`, n, i, n)) != nil {
				break
			}
		}
		<-ctx.Done()
	})
	// Somebody else opens a room.
	return t.opensARoom()
}

func (t *target) opensARoom() error {
	ctx, stop := context.WithTimeout(context.Background(), stopLimit)
	defer stop()
	c, err := t.session(ctx, "websocket", "/chat", "honest-late")
	if err != nil {
		return err
	}
	defer c.Drop()
	if err := joinRoom(c, "a room of mine"); err != nil {
		return fmt.Errorf("nobody else can open a room: %w", err)
	}
	return nil
}
