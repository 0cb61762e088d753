package main

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"gatehouse/namespaces"
)

const (
	maxName   = 32   // characters
	maxPeople = 1000 // who are known at once
)

// person is a user who has chosen a name. Everybody may know the ID; the secret
// is for the page that comes back. Neither changes.
type person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	secret string
	tabs   int // guarded by the directory
}

// entry is a line of the list that a page shows.
type entry struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
}

// directory knows who is there and who was. Safe for concurrent use.
type directory struct {
	mu     sync.Mutex // guards what follows
	people []*person  // in the order of their coming
}

func newDirectory() *directory { return &directory{} }

// enter finds the person who comes back with a secret, or adds a new one.
func (d *directory) enter(secret, name string) (*person, error) {
	name = strings.TrimSpace(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.people, func(p *person) bool { return p.secret == secret }); i >= 0 {
		return d.people[i], nil
	}
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return nil, namespaces.BadRequest("A name has 1 to 32 characters.")
	}
	if !d.makeRoomLocked() {
		return nil, namespaces.Forbidden("Too many people are here.")
	}
	p := &person{ID: rand.Text(), Name: name, secret: rand.Text()}
	d.people = append(d.people, p)
	return p, nil
}

// makeRoomLocked forgets the person who came first among those who are not here.
func (d *directory) makeRoomLocked() bool {
	if len(d.people) < maxPeople {
		return true
	}
	i := slices.IndexFunc(d.people, func(p *person) bool { return p.tabs == 0 })
	if i < 0 {
		return false
	}
	d.people = slices.Delete(d.people, i, i+1)
	return true
}

// arrived counts a tab and returns everybody; first says that it is the only one.
func (d *directory) arrived(p *person) (everybody []entry, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.tabs++
	for _, one := range d.people {
		everybody = append(everybody, entry{ID: one.ID, Name: one.Name, Connected: one.tabs > 0})
	}
	return everybody, p.tabs == 1
}

// left counts a tab out and reports whether it was the last.
func (d *directory) left(p *person) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.tabs--
	return p.tabs == 0
}

func (d *directory) knows(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.people, func(p *person) bool { return p.ID == id })
}
