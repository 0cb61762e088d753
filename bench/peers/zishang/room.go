package main

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// The same bounds as Gatehouse's chat, so that both do the same work.
const (
	historyKept   = 200
	noncesKept    = 1024
	membersShown  = 100
	announcedUpTo = 500
)

type message struct {
	ID    string `json:"id"`
	Room  string `json:"room"`
	From  string `json:"from"`
	Name  string `json:"name"`
	Text  string `json:"text"`
	At    int64  `json:"at"`
	Nonce string `json:"nonce,omitempty"`
}

type member struct {
	Room string `json:"room,omitempty"`
	User string `json:"user"`
	Name string `json:"name"`
}

type joined struct {
	OK       bool      `json:"ok"`
	Count    int       `json:"count"`
	Members  []member  `json:"members"`
	History  []message `json:"history"`
	Complete bool      `json:"complete"`
}

type sent struct {
	OK bool   `json:"ok"`
	ID string `json:"id"`
	At int64  `json:"at"`
}

// tabs counts the sockets of one user in one room.
type tabs struct {
	name  string
	count int
}

// room is one room of the chat. Its methods are safe for concurrent use: the
// library runs every event in a goroutine of its own.
type room struct {
	nsp  socket.Namespace
	name string

	mu       sync.Mutex // guards what follows
	users    map[string]*tabs
	history  []message
	answered map[string]sent
	nonces   []string // of answered, oldest first
	last     int
}

func newRoom(nsp socket.Namespace, name string) *room {
	return &room{nsp: nsp, name: name, users: map[string]*tabs{}, answered: map[string]sent{}}
}

func (r *room) join(s *socket.Socket, u *user, since string) joined {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !s.Rooms().Has(socket.Room(r.name)) {
		r.arrive(s, u)
		s.Join(socket.Room(r.name))
	}
	history, complete := r.since(since)
	return joined{OK: true, Count: len(r.users), Members: r.members(), History: history, Complete: complete}
}

// since returns the messages after the one with the id, and whether it is remembered.
func (r *room) since(id string) ([]message, bool) {
	at := slices.IndexFunc(r.history, func(m message) bool { return m.ID == id })
	return append([]message{}, r.history[at+1:]...), id == "" || at >= 0
}

func (r *room) arrive(s *socket.Socket, u *user) {
	if t := r.users[u.Sub]; t != nil {
		t.count++
		return
	}
	r.users[u.Sub] = &tabs{name: u.Name, count: 1}
	r.announce(s, "member:joined", u)
}

// leave returns the number of users who are still here.
func (r *room) leave(s *socket.Socket, u *user) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.users[u.Sub]
	if t == nil {
		return len(r.users)
	}
	if t.count--; t.count == 0 {
		delete(r.users, u.Sub)
		r.announce(s, "member:left", u)
	}
	return len(r.users)
}

func (r *room) announce(s *socket.Socket, event string, u *user) {
	if len(r.users) <= announcedUpTo {
		_ = s.To(socket.Room(r.name)).Emit(event, member{Room: r.name, User: u.Sub, Name: u.Name})
	}
}

func (r *room) members() []member {
	shown := make([]member, 0, min(len(r.users), membersShown))
	for sub, t := range r.users {
		if len(shown) == membersShown {
			break
		}
		shown = append(shown, member{User: sub, Name: t.name})
	}
	return shown
}

func (r *room) send(u *user, text, nonce string) sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := u.Sub + "\n" + nonce
	if before, ok := r.answered[key]; ok && nonce != "" {
		return before
	}
	r.last++
	m := message{
		ID: strconv.Itoa(r.last), Room: r.name, From: u.Sub, Name: u.Name,
		Text: text, At: time.Now().UnixMilli(), Nonce: nonce,
	}
	r.keep(m)
	_ = r.nsp.To(socket.Room(r.name)).Emit("message", m)
	answer := sent{OK: true, ID: m.ID, At: m.At}
	r.remember(key, answer)
	return answer
}

func (r *room) keep(m message) {
	r.history = append(r.history, m)
	if len(r.history) > historyKept {
		r.history = r.history[1:]
	}
}

func (r *room) remember(key string, answer sent) {
	r.answered[key] = answer
	r.nonces = append(r.nonces, key)
	if len(r.nonces) > noncesKept {
		delete(r.answered, r.nonces[0])
		r.nonces = r.nonces[1:]
	}
}
