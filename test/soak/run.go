package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
)

const secret = "the soak signs its own tokens with this text, which is long enough for HMAC"

// run is the whole soak. Its error says what was wrong.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	_, _ = fmt.Fprintf(out, "soak: seed %d, %v, %d members in %d rooms, %d restarts\n", o.seed, o.duration, o.members, o.rooms, o.restarts())
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log := io.Discard
	if o.log != "" {
		f, err := os.Create(o.log)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		log = f
	}
	if o.tls {
		if o.secure, err = wiretest.Certificate(dir); err != nil {
			return err
		}
	}
	s, err := newServer(o, dir, secret, log)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.kill()
	return s.soak(ctx, o, out)
}

func (s *server) soak(ctx context.Context, o options, out io.Writer) error {
	signer, err := handshake.NewSigner(handshake.JWTConfig{HMACSecret: handshake.Secret(s.secret)}, nil, nil)
	if err != nil {
		return err
	}
	before, err := s.baseline(ctx, o, signer)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "before: %v\n", before)
	crew, err := gather(o, "member", s.addr, signer)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	err = s.suffer(running, o, crew)
	if err == nil {
		err = crew.catchUp(ctx)
	}
	crew.phase.Store(home)
	time.AfterFunc(10*time.Second, cancel) // for who hangs
	crew.all.Wait()
	cancel()
	crew.close()
	err = errors.Join(err, crew.verdict(s.life))
	after, rerr := s.rested(ctx, before)
	s.summary(out, crew, after)
	return errors.Join(err, rerr, s.stop(), s.alarmed())
}

// baseline is what the server holds when its first clients have come and gone,
// so that everything that is made once is there.
func (s *server) baseline(ctx context.Context, o options, signer *handshake.Signer) (holding, error) {
	few := o
	few.members, few.seed = 12, o.seed+1
	crew, err := gather(few, "first", s.addr, signer)
	if err != nil {
		return holding{}, err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	calm, over := context.WithCancel(ctx)
	over()
	crew.start(running, calm)
	err = await(ctx, 30*time.Second, func() (bool, error) { return crew.tally.acked.Load() > 100, nil })
	crew.phase.Store(home)
	crew.all.Wait()
	crew.close()
	if err != nil {
		return holding{}, fmt.Errorf("the first clients: %w", err)
	}
	var h holding
	err = await(ctx, 30*time.Second, func() (_ bool, err error) {
		h, err = s.holds(ctx)
		return err == nil && h.Connections+h.Sockets+h.Rooms+h.Silent == 0, fmt.Errorf("it holds %v: %w", h, err)
	})
	return h, err
}

// suffer is the time of trouble: faults on the lines, strangers at the door, and
// restarts.
func (s *server) suffer(ctx context.Context, o options, crew *crew) error {
	troubled, over := context.WithCancel(ctx)
	var strange sync.WaitGroup
	defer strange.Wait()
	defer over()
	dice := rand.New(rand.NewPCG(o.seed, 1<<33)) // repeatable, not secret
	strange.Go(func() { strangers(troubled, s.addr, dice) })
	crew.start(ctx, troubled)
	each := o.duration / time.Duration(o.restarts()+1)
	for n := range o.restarts() + 1 {
		select {
		case <-time.After(each):
		case err := <-s.crashed():
			s.ended <- err
			return fmt.Errorf("the server ended by itself: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		if n == o.restarts() {
			break
		}
		if err := s.restart(ctx, crew); err != nil {
			return err
		}
	}
	return nil
}

// restart ends the process and starts the next one at the same address.
// Connections that end meanwhile, and shortly after, may end because of it.
func (s *server) restart(ctx context.Context, crew *crew) error {
	crew.restarted.Store(time.Now().Add(time.Hour).UnixNano())
	err := s.stop()
	if err == nil {
		err = s.start(ctx)
	}
	crew.restarted.Store(time.Now().Add(2 * time.Second).UnixNano())
	crew.tally.count("restarts")
	return err
}

// strangers open connections on which nobody signs in.
func strangers(ctx context.Context, addr string, dice *rand.Rand) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	words := []string{
		"", "GET /socket.io/", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00",
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n4",
	}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_, _ = c.Write([]byte(words[dice.IntN(len(words))]))
			if dice.IntN(2) == 0 {
				abort(c)
			} else {
				_ = c.Close()
			}
		}
	}
}

// summary prints what happened.
func (s *server) summary(out io.Writer, crew *crew, after holding) {
	_, _ = fmt.Fprintf(out, "after:  %v\n", after)
	crew.tally.print(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(out, "connections ended, as the server says: %v\n", s.reasons)
}

// alarmed reports lines that no log should have.
func (s *server) alarmed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []error
	for _, text := range s.alarms {
		all = append(all, fmt.Errorf("in the server's log: %.2000s", text))
	}
	return errors.Join(all...)
}
