package adminui

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Events by which the interfaces of several nodes tell each other, in their own namespace.
const (
	watching  = "admin:watching"
	describes = "admin:sockets"

	mostDescribed      = 2000    // sockets that a node describes to another one; half a megabyte, unless they are in many rooms
	mostDescribedBytes = 1 << 20 // of JSON
)

// descriptions describe sockets to another node, or to watchers.
type descriptions struct {
	most, mostBytes int // sockets, and bytes of JSON

	all   []json.RawMessage
	bytes int
	full  bool // some are left out
}

// add adds a description. Once one did not fit, it reports false for that one and all later ones.
func (d *descriptions) add(s socket) bool {
	text, err := json.Marshal(s)
	if d.full = d.full || err != nil || len(d.all) == d.most || d.bytes+len(text) > d.mostBytes; d.full {
		return false
	}
	d.all, d.bytes = append(d.all, text), d.bytes+len(text)
	return true
}

// otherWatches notes that somebody watches on another node.
func (u *UI) otherWatches(context.Context, packet.Args) (packet.Args, error) {
	u.until.Store(time.Now().Add(watchedFor).UnixNano())
	u.tick()
	return packet.Args{}, nil
}

// ownSockets answers another node, where somebody has begun to watch.
func (u *UI) ownSockets(ctx context.Context, _ packet.Args) (packet.Args, error) {
	own := descriptions{most: mostDescribed, mostBytes: mostDescribedBytes, all: []json.RawMessage{}}
	for ns := range u.cfg.Hub().Namespaces() {
		for info, err := range ns.Local().Sockets(ctx) {
			if err != nil {
				return packet.NewArgs(own.all)
			}
			if s, here := ns.Socket(info.ID); here && !own.add(describe(s)) {
				return packet.NewArgs(own.all)
			}
		}
	}
	return packet.NewArgs(own.all)
}

// theirSockets are those that other nodes describe. A node that does not answer in time, has very many, or is a Node server
// leaves some out.
func (u *UI) theirSockets(ctx context.Context) map[[2]string]socket {
	ctx, cancel := context.WithTimeout(ctx, listPatience/2)
	defer cancel()
	answers, _ := u.ns.ServerEmitAck(ctx, describes) // after an error: with the nodes that did answer
	all := map[[2]string]socket{}
	for _, reply := range answers.Replies {
		var theirs []socket
		if reply.Args.Len() == 0 || json.Unmarshal(reply.Args.Raw(0), &theirs) != nil {
			continue
		}
		for _, one := range theirs {
			all[[2]string{one.Namespace, one.ID}] = one
		}
	}
	return all
}

// everySocket lists the sockets of all nodes, as many as there is room for. A socket that no node has described has few
// fields.
func (u *UI) everySocket(ctx context.Context) descriptions {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	theirs := u.theirSockets(ctx)
	list := descriptions{most: mostSockets, mostBytes: mostListed, all: []json.RawMessage{}}
	for ns := range u.cfg.Hub().Namespaces() {
		for info, err := range ns.In().Sockets(ctx) {
			if err != nil {
				break // a node that does not answer has nothing in the list
			}
			d, described := theirs[[2]string{ns.Name(), info.ID}]
			if s, here := ns.Socket(info.ID); here {
				d = describe(s)
			} else if !described {
				d = undescribed(ns.Name(), info)
			}
			if !list.add(d) {
				return list
			}
		}
	}
	for _, d := range theirs { // in namespaces of families that are not here
		if _, here := u.cfg.Hub().Namespace(d.Namespace); !here && !list.add(d) {
			return list
		}
	}
	return list
}

// undescribed describes a socket by what every node knows of it.
func undescribed(namespace string, info namespaces.Info) socket {
	return socket{
		ID: info.ID, ClientID: info.ID, Transport: "websocket", Namespace: namespace, Data: userOf(info.Identity),
		Handshake: handshook{Headers: map[string]string{}, Query: map[string]string{}}, Rooms: withOwn(info.ID, info.Rooms),
	}
}

// withOwn returns the rooms that are shown of a socket, with that of its id, as on Node's server.
func withOwn(id string, rooms []string) []string {
	others := slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return hidden(room) || room == id })
	return slices.Insert(others, 0, id)
}
