package cluster

import (
	"context"
	"log/slog"
	"time"
)

// NodeInfo is what a node says about itself.
type NodeInfo struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Address string    `json:"address,omitempty"` // where other nodes reach it
	Version string    `json:"version,omitempty"`
	Started time.Time `json:"started"`
	Beat    uint64    `json:"beat"` // grows with each heartbeat, so that an old one is not taken for a new one
	Heard   time.Time `json:"heard,omitzero"`
}

const (
	typeHello = 102
	typeBye   = 103
)

func (n *Node) self() NodeInfo {
	return NodeInfo{ID: n.uid, Name: n.cfg.Name, Address: n.cfg.Advertise, Version: n.cfg.Version, Started: n.began}
}

// beat sends heartbeats until the node leaves. A heartbeat after that would take the name again.
func (n *Node) beat(ctx context.Context) {
	info := n.self()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		info.Beat++
		// The call logs its errors itself. It is not cancelled, because a script on its way could overtake, on another
		// connection, the script that gives the name back.
		_, _ = n.holdName(context.WithoutCancel(ctx))
		_ = n.tell(n.everyone(), "", typeHello, n.infoData(info)) // the next one may pass
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-n.asking.greet: // a new node should not have to wait
		}
	}
}

func (n *Node) infoData(info NodeInfo) []byte {
	b := newBuilder(true, 1)
	b.json("node", info)
	return b.bytes()
}

// bye tells the others that the node leaves, so that no node waits for it. It comes behind all earlier messages, which would
// count as heartbeats.
func (n *Node) bye(ctx context.Context) {
	n.hush()
	n.beats.Wait()
	n.leaveName(ctx)
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	if n.tell(n.everyone(), "", typeBye, n.infoData(n.self())) == nil {
		_ = n.signal.flush(ctx) // without this message the others notice missing heartbeats
	}
}

// fromNode handles a message of a Gatehouse node to all others.
func (n *Node) fromNode(m letter) error {
	switch m.kind {
	case typeHello:
		var info NodeInfo
		if err := m.body.value("node", &info); err != nil {
			return err
		}
		info.ID, info.Heard = m.uid, time.Now()
		if n.asking.hello(info) {
			n.cfg.Logger.Info("cluster: another node is there", slog.String("node", info.Name), slog.String("id", info.ID))
		}
	case typeBye:
		if n.asking.bye(m.uid) {
			n.cfg.Logger.Info("cluster: another node has left", slog.String("id", m.uid))
		}
	case typeMakeWay:
		return n.users.makeWay(m)
	default:
		if a := n.adapter(m.namespace); a != nil {
			return a.question(m)
		}
		return n.nobodyHere(m)
	}
	return nil
}

// Nodes returns the nodes that are there, this one first.
func (n *Node) Nodes() []NodeInfo {
	self := n.self()
	self.Heard = time.Now()
	return append([]NodeInfo{self}, n.asking.nodes()...)
}
