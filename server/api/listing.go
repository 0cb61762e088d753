package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/presence"
)

const (
	defaultPage = 100
	mostPage    = 1000
)

// SocketInfo describes a socket.
type SocketInfo struct {
	ID     string   `json:"id"`
	User   string   `json:"user"` // its subject
	Name   string   `json:"name,omitempty"`
	Issuer string   `json:"issuer,omitempty"`
	Method string   `json:"method"` // how the user signed in
	Rooms  []string `json:"rooms"`
	// Address and Since are known for sockets of this node.
	Address   string    `json:"address,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // when the sign-in ends
}

// SocketPage is a page of sockets, in the order of their ids.
type SocketPage struct {
	OK      bool         `json:"ok"`
	Sockets []SocketInfo `json:"sockets"`
	Page
}

// Page says how to go on.
type Page struct {
	Cursor  string   `json:"cursor,omitempty"`  // cursor of the next page; empty on the last one
	Missing []string `json:"missing,omitempty"` // how many nodes were asked and have not answered
}

// RoomInfo describes a room.
type RoomInfo struct {
	Room    string `json:"room"`
	Sockets int    `json:"sockets"`
}

// RoomPage is a page of rooms, in the order of their names.
type RoomPage struct {
	OK    bool       `json:"ok"`
	Rooms []RoomInfo `json:"rooms"`
	Page
}

// MemberPage is a page of the users in a room, in the order of their names.
type MemberPage struct {
	OK      bool              `json:"ok"`
	Count   int               `json:"count"` // users in the room
	Members []presence.Member `json:"members"`
	Page
}

// UserSockets are the sockets of a user in all namespaces that the key is for.
type UserSockets struct {
	OK         bool            `json:"ok"`
	Namespaces []UserNamespace `json:"namespaces"`
	Missing    []string        `json:"missing,omitempty"`
}

// UserNamespace holds the sockets of a user in one namespace.
type UserNamespace struct {
	Namespace string       `json:"namespace"`
	Sockets   []SocketInfo `json:"sockets"`
}

// pager keeps the names behind a cursor, and never more than a page of them.
type pager struct {
	after string
	limit int
	names []string // sorted; at most one more than limit
}

// add notes a name, once.
func (p *pager) add(name string) {
	if name <= p.after && p.after != "" {
		return
	}
	i, there := slices.BinarySearch(p.names, name)
	if there || i > p.limit {
		return
	}
	p.names = slices.Insert(p.names, i, name)
	if len(p.names) > p.limit+1 {
		p.names = p.names[:p.limit+1]
	}
}

// page returns the names of the page and the cursor of the next one.
func (p *pager) page() (names []string, cursor string) {
	if len(p.names) <= p.limit {
		return p.names, ""
	}
	names = p.names[:p.limit]
	return names, cursorAt(names[len(names)-1])
}

func cursorAt(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// pagerOf reads cursor and limit.
func pagerOf(cursor, limit string) (*pager, error) {
	p := &pager{limit: defaultPage}
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(after) > longestPlace {
		return nil, fail(CodeBadRequest, "cursor: take it from the answer before")
	}
	p.after = string(after)
	if limit != "" {
		p.limit, err = strconv.Atoi(limit)
		if err != nil || p.limit < 1 || p.limit > mostPage {
			return nil, fail(CodeBadRequest, "limit: is a number from 1 to %d", mostPage)
		}
	}
	return p, nil
}

// visible returns the rooms of a socket without the server's own.
func visible(rooms []string) []string {
	out := make([]string, 0, len(rooms))
	for _, room := range rooms {
		if !strings.HasPrefix(room, "\x00") {
			out = append(out, room)
		}
	}
	slices.Sort(out)
	return out
}

// listed is a request for a page of a namespace's sockets, rooms or users.
type listed struct {
	*pager
	ns      *namespaces.Namespace
	to      namespaces.Broadcast
	nobody  bool
	missing []string
}

// list reads the request for a page, with the filters user and room.
func (a *API) list(r *http.Request) (*listed, error) {
	ns, err := a.namespace(r)
	if err != nil {
		return nil, err
	}
	q, err := queryOf(r, "room", "user", "cursor", "limit")
	if err != nil {
		return nil, err
	}
	l := &listed{ns: ns}
	if l.pager, err = pagerOf(q.Get("cursor"), q.Get("limit")); err != nil {
		return nil, err
	}
	var s Selection
	switch {
	case q.Has("room") && q.Has("user"):
		return nil, fail(CodeBadRequest, "room and user: send one of them")
	case q.Has("room"):
		s.Rooms = []string{q.Get("room")}
	case q.Has("user"):
		s.Users = []string{q.Get("user")}
	}
	l.to, l.nobody, err = (&users{api: a}).selected(r.Context(), ns, a.ruled(ns.Name()), &s)
	return l, err
}

// each visits the selected sockets of all nodes that answer.
func (l *listed) each(r *http.Request, visit func(namespaces.Info)) error {
	if l.nobody {
		return nil
	}
	for info, err := range l.to.Sockets(r.Context()) {
		var lost *namespaces.LostNodes
		switch {
		case errors.As(err, &lost):
			l.missing = lost.Names
		case err != nil:
			return fail(CodeUnavailable, "not all nodes said who is there: %s", err)
		default:
			visit(info)
		}
	}
	return nil
}

func (a *API) sockets(w http.ResponseWriter, r *http.Request) error {
	l, err := a.list(r)
	if err != nil {
		return err
	}
	found := map[string]namespaces.Info{}
	err = l.each(r, func(info namespaces.Info) {
		l.add(info.ID)
		if last := len(l.names) - 1; last >= 0 && info.ID <= l.names[last] {
			found[info.ID] = info
		}
	})
	if err != nil {
		return err
	}
	names, cursor := l.page()
	out := SocketPage{OK: true, Sockets: []SocketInfo{}, Page: Page{cursor, l.missing}}
	for _, id := range names {
		out.Sockets = append(out.Sockets, a.describe(l.ns, found[id]))
	}
	return say(w, out)
}

func (a *API) describe(ns *namespaces.Namespace, info namespaces.Info) SocketInfo {
	id := info.Identity
	out := SocketInfo{
		ID: info.ID, User: id.Subject, Name: id.Name, Issuer: id.Issuer, Method: id.Method,
		Rooms: visible(info.Rooms), ExpiresAt: id.ExpiresAt,
	}
	if s, here := ns.Socket(info.ID); here {
		if addr := s.Request().RemoteAddr; addr.IsValid() {
			out.Address = addr.String()
		}
		if a.deps.Since != nil {
			out.Since = a.deps.Since(s)
		}
	}
	return out
}

func (a *API) rooms(w http.ResponseWriter, r *http.Request) error {
	l, err := a.list(r)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	err = l.each(r, func(info namespaces.Info) {
		for _, room := range info.Rooms {
			counts[room]++
		}
	})
	if err != nil {
		return err
	}
	for room := range counts {
		if !strings.HasPrefix(room, "\x00") {
			l.add(room)
		}
	}
	names, cursor := l.page()
	out := RoomPage{OK: true, Rooms: []RoomInfo{}, Page: Page{cursor, l.missing}}
	for _, room := range names {
		out.Rooms = append(out.Rooms, RoomInfo{room, counts[room]})
	}
	return say(w, out)
}

// presence lists users, not sockets. Where the rules of the configuration tell presence, these are the users of
// the room's presence; elsewhere the users of the sockets in the room.
func (a *API) presence(w http.ResponseWriter, r *http.Request) error {
	ns, ruled, room, err := a.room(r)
	if err != nil {
		return err
	}
	q, err := queryOf(r, "cursor", "limit")
	if err != nil {
		return err
	}
	p, err := pagerOf(q.Get("cursor"), q.Get("limit"))
	if err != nil {
		return err
	}
	if ruled == nil {
		return presenceOfSockets(w, r, &listed{pager: p, ns: ns, to: ns.In(room)})
	}
	members, count, more, ok := ruled.Members(r.Context(), ns, room, p.after, p.limit)
	if !ok {
		return fail(CodeNotFound, "the room does not tell who is there: no rule with presence fits %s", shown(room))
	}
	out := MemberPage{OK: true, Count: count, Members: members}
	if more && len(members) > 0 {
		out.Cursor = cursorAt(members[len(members)-1].User)
	}
	return say(w, out)
}

func presenceOfSockets(w http.ResponseWriter, r *http.Request, l *listed) error {
	seen := map[string]presence.Member{}
	err := l.each(r, func(info namespaces.Info) {
		id := info.Identity
		key := id.Subject + "\x00" + id.Issuer // subjects are unique within their issuer
		if _, again := seen[key]; !again {
			seen[key] = presence.Member{Key: id.User(), User: id.Subject, Name: id.Name}
			l.add(key)
		}
	})
	if err != nil {
		return err
	}
	names, cursor := l.page()
	out := MemberPage{OK: true, Count: len(seen), Members: []presence.Member{}, Page: Page{cursor, l.missing}}
	for _, key := range names {
		out.Members = append(out.Members, seen[key])
	}
	return say(w, out)
}

// room finds the room of the path.
func (a *API) room(r *http.Request) (*namespaces.Namespace, Ruled, string, error) {
	ns, err := a.namespace(r)
	if err != nil {
		return nil, nil, "", err
	}
	room, ruled := r.PathValue("room"), a.ruled(ns.Name())
	if err := checkNames("room", []string{room}); err != nil {
		return nil, nil, "", err
	}
	if ruled != nil {
		if room, err = ruled.RoomName(room); err != nil {
			return nil, nil, "", fail(CodeBadRequest, "room: %s", err)
		}
	}
	return ns, ruled, room, nil
}

// user lists the sockets of a user in all namespaces that the key is for.
func (a *API) user(w http.ResponseWriter, r *http.Request) error {
	q, err := queryOf(r, "issuer")
	if err != nil {
		return err
	}
	key := handshake.UserKey{Subject: r.PathValue("subject"), Issuer: q.Get("issuer")}
	out := UserSockets{OK: true, Namespaces: []UserNamespace{}}
	names := slices.Sorted(slices.Values(a.deps.Names()))
	for _, name := range names {
		ns, err := a.find(r.Context(), callerOf(r), name)
		if err != nil {
			continue // is not the key's, or is gone
		}
		l := &listed{ns: ns, to: ns.In()}
		one := UserNamespace{Namespace: name}
		err = l.each(r, func(info namespaces.Info) {
			if info.Identity.Subject == key.Subject && (!q.Has("issuer") || info.Identity.Issuer == key.Issuer) {
				one.Sockets = append(one.Sockets, a.describe(ns, info))
			}
		})
		if err != nil {
			return err
		}
		if one.Sockets != nil {
			out.Namespaces = append(out.Namespaces, one)
		}
		out.Missing = append(out.Missing, l.missing...)
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	return say(w, out)
}

// say sends the answer to a request that was served.
func say(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		write(w, http.StatusOK, text)
	}
	return err
}
