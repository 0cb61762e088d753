package adminui

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// The payloads of the interface's protocol (@socket.io/admin-ui 0.5, typed-events.d.ts).
type (
	socket struct {
		ID        string    `json:"id"`
		ClientID  string    `json:"clientId"`
		Transport string    `json:"transport"`
		Namespace string    `json:"nsp"`
		Data      user      `json:"data"`
		Handshake handshook `json:"handshake"`
		Rooms     []string  `json:"rooms"`
	}
	user struct {
		Subject string   `json:"subject,omitempty"`
		Name    string   `json:"name,omitempty"`
		Scopes  []string `json:"scopes,omitempty"`
	}
	handshook struct {
		Address string            `json:"address"`
		Headers map[string]string `json:"headers"`
		Query   map[string]string `json:"query"`
		Issued  int64             `json:"issued"`
		Time    string            `json:"time"`
		Secure  bool              `json:"secure"`
		URL     string            `json:"url"`
		Xdomain bool              `json:"xdomain"`
	}
	stats struct {
		Server     string      `json:"serverId"`
		Host       string      `json:"hostname"`
		PID        int         `json:"pid"`
		Uptime     float64     `json:"uptime"` // seconds
		Clients    int         `json:"clientsCount"`
		Polling    int         `json:"pollingClientsCount"`
		Events     []happened  `json:"aggregatedEvents"`
		Namespaces []namespace `json:"namespaces"`
	}
	namespace struct {
		Name    string `json:"name"`
		Sockets int    `json:"socketsCount"`
	}
	changed struct {
		ID        string `json:"id"`
		Namespace string `json:"nsp"`
		Transport string `json:"transport,omitempty"`
		Data      user   `json:"data"`
	}
	happened struct {
		At      int64  `json:"timestamp"` // milliseconds since 1970
		Type    string `json:"type"`
		SubType string `json:"subType,omitempty"`
		Count   int    `json:"count"`
	}
)

// counts are what happened since the last numbers.
type counts struct {
	mu sync.Mutex
	by map[happened]int // Count is zero
}

func (c *counts) add(kind, sub string, n int) {
	key := happened{At: time.Now().Truncate(time.Second).UnixMilli(), Type: kind, SubType: sub}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[happened]int{}
	}
	c.by[key] += n
}

// take returns and forgets them.
func (c *counts) take() []happened {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]happened, 0, len(c.by))
	for h, n := range c.by {
		h.Count = n
		all = append(all, h)
	}
	c.by = nil
	slices.SortFunc(all, func(a, b happened) int { return strings.Compare(a.Type+a.SubType, b.Type+b.SubType) })
	return all
}

// secretPrefix begins the names of events that carry credentials, which are not shown. Where the gate is no
// [namespaces.Refresher], a client's "auth:refresh" is an event like any other.
const secretPrefix = "auth:"

// Hooks watch all namespaces.
func (u *UI) Hooks() namespaces.Hooks {
	return namespaces.Hooks{
		SocketOpened: func(s *namespaces.Socket) {
			if u.watched() {
				u.show("socket_connected", u.entered(s), time.Now())
			}
		},
		SocketClosed: func(s *namespaces.Socket, reason string) {
			if u.watched() {
				u.show("room_left", s.Namespace().Name(), s.ID(), s.ID(), time.Now())
				u.show("socket_disconnected", s.Namespace().Name(), s.ID(), reason, time.Now())
			}
		},
		RoomJoined: func(s *namespaces.Socket, room string) {
			if u.watched() && !hidden(room) {
				u.show("room_joined", s.Namespace().Name(), room, s.ID(), time.Now())
			}
		},
		RoomLeft: func(s *namespaces.Socket, room string) {
			if u.watched() && !hidden(room) {
				u.show("room_left", s.Namespace().Name(), room, s.ID(), time.Now())
			}
		},
		EventHandled: func(s *namespaces.Socket, h namespaces.Handled) {
			if u.watched() && s.Namespace() != u.ns {
				if h.Name != "" && !strings.HasPrefix(h.Name, secretPrefix) && u.mayShow(len(h.Name)+shownSize(h.Args)) {
					u.show("event_received", s.Namespace().Name(), s.ID(), arguments(h.Name, h.Args), time.Now())
				}
			}
		},
		Emitted: u.emitted,
		IdentityChanged: func(s *namespaces.Socket, _ handshake.Identity) {
			if u.watched() {
				u.show("socket_updated", changed{ID: s.ID(), Namespace: s.Namespace().Name(), Data: userOf(s.Identity())})
			}
		},
	}
}

// Upgraded shows that the sockets of a connection have another transport now. It waits for nothing: the caller reads many
// connections.
func (u *UI) Upgraded(c *namespaces.Client) {
	if !u.watched() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	u.group.Go(func() {
		for _, s := range c.Sockets() {
			u.show("socket_updated", changed{ID: s.ID(), Namespace: s.Namespace().Name(), Transport: s.Transport(), Data: userOf(s.Identity())})
		}
	})
}

func (u *UI) emitted(ns *namespaces.Namespace, e namespaces.Emitted) {
	if !u.watched() || ns == u.ns {
		return
	}
	if e.Receivers == 0 {
		return
	}
	to := "everybody"
	if e.Socket != nil {
		to = e.Socket.ID()
	} else if rooms := slices.DeleteFunc(slices.Clone(e.Rooms), hidden); len(rooms) > 0 {
		to = enumerate(rooms)
	}
	if !u.mayShow(len(to) + len(e.Event) + shownSize(e.Args)) {
		return
	}
	u.show("event_sent", ns.Name(), to, arguments(e.Event, e.Args), time.Now())
}

// enumerate lists rooms, as many as there is room for, and says how many more there are.
func enumerate(rooms []string) string {
	var text strings.Builder
	for i, room := range rooms {
		if i > 0 && text.Len()+len(room) > mostText {
			fmt.Fprintf(&text, " and %d more", len(rooms)-i)
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(room)
	}
	return text.String()
}

// shownSize is how many bytes are shown of the arguments of an event.
func shownSize(args packet.Args) int {
	if n := args.Size(); n <= mostOfEvent {
		return n
	}
	return 0
}

// arguments are those of an event, its name first. Binary ones are not shown.
func arguments(event string, args packet.Args) []any {
	all := []any{event}
	if n := args.Size(); n > mostOfEvent {
		return append(all, fmt.Sprintf("(%d bytes, which are too many to be shown)", n))
	}
	for i := range args.Len() {
		all = append(all, args.Raw(i))
	}
	return all
}

// describe describes a socket of this node.
func describe(s *namespaces.Socket) socket {
	r := s.Request()
	h := handshook{Address: r.RemoteAddr.String(), Headers: map[string]string{}, Query: map[string]string{"transport": r.Transport}, Issued: r.Opened.UnixMilli(), Time: r.Opened.Format(time.RFC1123), Secure: r.Secure, URL: "/socket.io/"}
	for _, name := range []string{"User-Agent", "Origin"} { // no cookie, no Authorization
		if v := r.Header.Get(name); v != "" {
			h.Headers[strings.ToLower(name)] = strings.ToValidUTF8(v[:min(len(v), mostText)], "")
		}
	}
	return socket{
		ID: s.ID(), ClientID: s.ConnID(), Transport: s.Transport(), Namespace: s.Namespace().Name(), Data: userOf(s.Identity()),
		Handshake: h, Rooms: withOwn(s.ID(), s.Rooms()),
	}
}

// entered is describe for a socket that has just come, without the rooms for which a "joined" event follows: the
// interface would count them twice. For the rooms of a recovered socket no such event follows.
func (u *UI) entered(s *namespaces.Socket) socket {
	d := describe(s)
	if !s.Recovered() || !u.mayList(d.Rooms) {
		d.Rooms = []string{s.ID()}
	}
	return d
}

func userOf(id handshake.Identity) user { return user{id.Subject, id.Name, id.Scopes} }

func (u *UI) stats() stats {
	st := stats{Server: u.cfg.Server, Host: u.host, PID: os.Getpid(), Uptime: time.Since(u.began).Seconds(), Events: u.traffic.take(), Namespaces: []namespace{}}
	if u.cfg.Stats != nil {
		now := u.cfg.Stats()
		st.Clients, st.Polling = now.Clients, now.Polling
	}
	left, sockets := 0, 0
	for ns := range u.cfg.Hub().Namespaces() {
		if len(st.Namespaces) == mostSpaces {
			left, sockets = left+1, sockets+ns.Len()
			continue
		}
		st.Namespaces = append(st.Namespaces, namespace{ns.Name(), ns.Len()})
	}
	if left > 0 {
		st.Namespaces = append(st.Namespaces, namespace{fmt.Sprintf("and %d more", left), sockets})
	}
	return st
}
