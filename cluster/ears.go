package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// The channels. The channels of a namespace are those of Node's adapters, whose servers count the subscribers in order
// to know how many answers to await. Gatehouse's nodes have one channel more, in order to know how many of the
// subscribers are Node's servers.
func (n *Node) everyone() string         { return n.cfg.Key + "-gatehouse" }
func (n *Node) public(ns string) string  { return n.cfg.Key + "#" + ns + "#" }
func (n *Node) counted(ns string) string { return n.everyone() + "#" + ns + "#" }

// private is the channel for answers to a node.
func (n *Node) private(ns, uid string) string {
	if n.cfg.Mode == ModePubSub { // the other modes take all channels that begin like the public one
		return n.counted(ns) + uid + "#"
	}
	return n.public(ns) + uid + "#"
}

// asks is the channel of a namespace that each of Node's servers subscribes to once.
func (n *Node) asks(ns string) string {
	if n.cfg.Mode == ModePubSub {
		return n.cfg.Key + "-request#" + ns + "#"
	}
	return n.public(ns)
}

func (n *Node) channelOfRoom(r room) string { return n.public(r.namespace) + r.name + "#" }

// channels are those of a namespace.
func (n *Node) channels(ns string) []string {
	channels := []string{n.asks(ns), n.private(ns, n.uid), n.counted(ns)}
	if n.cfg.Mode == ModePubSub {
		channels = append(channels, n.cfg.Key+"-response#"+ns+"#", n.cfg.Key+"-response#"+ns+"#"+n.uid+"#")
	}
	return channels
}

// follow subscribes to the channels of a namespace.
func (n *Node) follow(a *adapter) {
	n.signal.change(1, n.channels(a.name)...)
	switch n.cfg.Mode {
	case ModePubSub:
		n.signal.pattern(literally(n.public(a.name))+"*", a.name, true)
	case ModeSharded:
		a.local.WatchRooms(func(name string) { n.signal.doubt(room{a.name, name}) })
	}
}

// unfollow ends that.
func (n *Node) unfollow(a *adapter) {
	n.signal.change(-1, n.channels(a.name)...)
	if n.cfg.Mode == ModePubSub {
		n.signal.pattern(literally(n.public(a.name))+"*", a.name, false)
	}
}

// literally escapes a text for a pattern of Redis.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

// ear is a connection that subscribes.
type ear struct {
	client *dedicated
	anchor string        // a key of a slot of its server
	gone   chan struct{} // closed when it is dropped

	mu       sync.Mutex          // guards what follows
	have     map[string]struct{} // channels
	patterns map[string]struct{}
}

// ears are the connections that subscribe: one, or in the mode "sharded" one to each primary of a Redis Cluster. They
// belong to one goroutine.
type ears struct {
	node *Node
	open map[string]*ear // by the server; "" when there is one
	lost chan lostEar
	done sync.WaitGroup
}

type lostEar struct {
	ear *ear
	err error
}

// listen keeps the wanted channels subscribed, until the node ends.
func (n *Node) listen() {
	n.signal.change(1, n.everyone())
	e := &ears{node: n, open: make(map[string]*ear), lost: make(chan lostEar)}
	defer e.close()
	look := time.NewTicker(heartbeat)
	defer look.Stop()
	greeted := false
	for n.ctx.Err() == nil {
		if err := e.follow(); err != nil {
			e.deaf(err)
			pause(n.ctx)
			continue
		}
		n.asking.deaf(false)
		n.back("listening")
		if !greeted {
			greeted = true
			n.asking.sayHello() // now the answers can be heard
		}
		select {
		case <-n.ctx.Done():
		case l := <-e.lost:
			if !e.drop(l.ear) {
				continue // it was not wanted any more
			}
			n.counts.LinksLost.Add(1)
			e.deaf(errors.Join(errors.New("the subscription is lost"), l.err))
		case <-look.C:
			if e.dropStale() {
				n.counts.LinksLost.Add(1)
				e.deaf(errGivenUp)
			}
		case <-n.signal.more:
		}
	}
}

// deaf notes that not all wanted channels are heard.
func (e *ears) deaf(err error) {
	e.node.signal.heardAll(false)
	e.node.asking.deaf(true)
	if e.node.ctx.Err() == nil {
		e.node.away("listening", err)
	}
}

func (e *ears) close() {
	for _, ear := range e.open {
		e.drop(ear)
	}
	e.done.Wait()
}

// drop ends an ear, and reports whether it was there. Its end does not count as a loss then.
func (e *ears) drop(gone *ear) bool {
	for server, ear := range e.open {
		if ear == gone {
			delete(e.open, server)
			close(ear.gone)
			ear.client.release()
			return true
		}
	}
	return false
}

// dropStale ends the ears at servers that the client has given up, and reports whether there were any.
func (e *ears) dropStale() (dropped bool) {
	for _, ear := range e.open {
		if givenUp(ear.client.from, e.node.cfg.Client) {
			dropped = e.drop(ear)
		}
	}
	return dropped
}

// mind reports when an ear is lost, unless it has been dropped before.
func (e *ears) mind(one *ear, lost <-chan error) {
	select {
	case <-one.gone:
	case err := <-lost:
		select {
		case <-one.gone:
		case e.lost <- lostEar{one, err}:
		}
	}
}

// follow subscribes to the wanted channels that are not heard.
func (e *ears) follow() error {
	n := e.node
	doubts := n.lookAtRooms()
	channels, patterns := n.signal.wanted()
	ctx, cancel := context.WithTimeout(n.ctx, redisLimit)
	defer cancel()
	places, err := n.places(ctx, channels)
	if err != nil {
		return err
	}
	for server, ear := range e.open {
		if len(places[server]) == 0 { // the server has become a replica, or is gone
			e.drop(ear)
		}
	}
	for server, channels := range places {
		ear, err := e.at(ctx, server, channels)
		if err != nil {
			return err
		}
		if err := ear.follow(ctx, n.cfg.Mode, channels, patterns); err != nil {
			n.cfg.Logger.Debug("cluster: subscribing failed", slog.String("server", server), slog.Any("error", err))
			e.drop(ear)
			return err
		}
	}
	nowChannels, nowPatterns := n.signal.wanted()
	n.signal.heardAll(len(nowChannels) == len(channels) && len(nowPatterns) == len(patterns))
	n.signal.wishes.settle(doubts)
	return nil
}

// at returns the ear at a server, found by the slot of a channel.
func (e *ears) at(ctx context.Context, server string, channels []string) (*ear, error) {
	if ear := e.open[server]; ear != nil {
		return ear, nil
	}
	n := e.node
	anchor := n.cfg.Key
	if server != "" {
		anchor = channels[0]
	}
	client, err := n.dedicate(ctx, anchor, server == "")
	if err != nil {
		return nil, err
	}
	one := &ear{
		client: client, anchor: anchor, gone: make(chan struct{}),
		have: make(map[string]struct{}), patterns: make(map[string]struct{}),
	}
	lost := client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: n.overhear, OnSubscription: func(s rueidis.PubSubSubscription) {
		if s.Kind == "sunsubscribe" { // the slot has moved, unless it was asked for
			one.forget(s.Channel)
			n.signal.poke()
		}
	}})
	e.open[server] = one
	e.done.Go(func() { e.mind(one, lost) })
	return one, nil
}

// overhear runs on the goroutine that reads the connection, and must not hold it up.
func (n *Node) overhear(m rueidis.PubSubMessage) {
	if !n.signal.hold(heard{m.Pattern, m.Channel, m.Message}, n.cfg.BacklogBytes) {
		n.counts.Unheard.Add(1)
	}
}

// places returns the channels by server: all at one server, or in the mode "sharded" those of a slot at its primary.
func (n *Node) places(ctx context.Context, channels []string) (map[string][]string, error) {
	client, err := n.cfg.Client()
	if err != nil {
		return nil, err
	}
	if n.cfg.Mode != ModeSharded || client.Mode() != rueidis.ClientModeCluster {
		return map[string][]string{"": channels}, nil
	}
	slots, err := client.Do(ctx, client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return nil, fmt.Errorf("read the slots: %w", n.cfg.Note(client, err))
	}
	ranges := make([]slotRange, 0, len(slots))
	for _, s := range slots {
		if r, ok := readRange(s); ok {
			ranges = append(ranges, r)
		}
	}
	places := make(map[string][]string)
	for _, c := range channels {
		command := client.B().Ssubscribe().Channel(c).Build()
		slot := int64(command.Slot())
		i := slices.IndexFunc(ranges, func(r slotRange) bool { return r.first <= slot && slot <= r.last })
		if i < 0 {
			return nil, fmt.Errorf("slot %d of redis has no server", slot)
		}
		places[ranges[i].server] = append(places[ranges[i].server], c)
	}
	return places, nil
}

type slotRange struct {
	first, last int64
	server      string
}

// readRange reads one range of CLUSTER SLOTS: its bounds, and the primary with its id.
func readRange(m rueidis.RedisMessage) (r slotRange, ok bool) {
	parts, err := m.ToArray()
	if err != nil || len(parts) < 3 {
		return r, false
	}
	first, err1 := parts[0].AsInt64()
	last, err2 := parts[1].AsInt64()
	primary, err3 := parts[2].ToArray()
	if err := errors.Join(err1, err2, err3); err != nil || len(primary) < 3 {
		return r, false
	}
	id, err := primary[2].ToString()
	return slotRange{first, last, id}, err == nil
}

func (e *ear) forget(channels ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range channels {
		delete(e.have, c)
	}
}

// missing returns the channels to subscribe to and to unsubscribe from.
func missing(have map[string]struct{}, want []string) (add, drop []string) {
	wanted := make(map[string]struct{}, len(want))
	for _, c := range want {
		wanted[c] = struct{}{}
		if _, ok := have[c]; !ok {
			add = append(add, c)
		}
	}
	for c := range have {
		if _, ok := wanted[c]; !ok {
			drop = append(drop, c)
		}
	}
	return add, drop
}

// follow subscribes to the wanted channels and leaves the others. A channel is noted as heard before its subscription, so
// that a notice that its slot has moved comes after that.
func (e *ear) follow(ctx context.Context, mode Mode, channels, patterns []string) error {
	e.mu.Lock()
	add, drop := missing(e.have, channels)
	addPatterns, dropPatterns := missing(e.patterns, patterns)
	for _, c := range add {
		e.have[c] = struct{}{}
	}
	for _, p := range addPatterns {
		e.patterns[p] = struct{}{}
	}
	for _, p := range dropPatterns {
		delete(e.patterns, p)
	}
	e.mu.Unlock()
	e.forget(drop...)
	b := e.client.B
	var subscribe, unsubscribe rueidis.Commands
	if mode == ModeSharded { // one command for each, because channels of different slots cannot go together
		for _, c := range add {
			subscribe = append(subscribe, b().Ssubscribe().Channel(c).Build().SetSlot(e.anchor))
		}
		for _, c := range drop {
			unsubscribe = append(unsubscribe, b().Sunsubscribe().Channel(c).Build().SetSlot(e.anchor))
		}
	} else {
		for part := range slices.Chunk(add, subscribeAtOnce) {
			subscribe = append(subscribe, b().Subscribe().Channel(part...).Build())
		}
		for part := range slices.Chunk(drop, subscribeAtOnce) {
			unsubscribe = append(unsubscribe, b().Unsubscribe().Channel(part...).Build())
		}
	}
	for part := range slices.Chunk(addPatterns, subscribeAtOnce) {
		subscribe = append(subscribe, b().Psubscribe().Pattern(part...).Build())
	}
	for part := range slices.Chunk(dropPatterns, subscribeAtOnce) {
		unsubscribe = append(unsubscribe, b().Punsubscribe().Pattern(part...).Build())
	}
	for part := range slices.Chunk(subscribe, subscribeAtOnce) {
		for _, r := range e.client.DoMulti(ctx, part...) {
			if err := r.Error(); err != nil {
				return fmt.Errorf("subscribe: %w", err)
			}
		}
	}
	for _, command := range unsubscribe {
		if err := e.client.Do(ctx, command).Error(); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	return nil
}

const subscribeAtOnce = 500 // channels in one go
