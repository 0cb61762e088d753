package api

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/namespaces"
)

// Selection selects sockets: all that are in one of the rooms, belong to one of the users, or have one of the ids,
// without those in a room of Except. Each socket counts once.
type Selection struct {
	Rooms   []string `json:"rooms,omitempty"`
	Users   []string `json:"users,omitempty"`   // users as clients know them in a configured namespace, elsewhere subjects
	Sockets []string `json:"sockets,omitempty"` // ids
	Except  []string `json:"except,omitempty"`  // rooms, and ids of sockets
}

const (
	mostNames    = 1000 // in one list
	longestPlace = 1024 // how many bytes the name of a room, a user or an id may have
)

// names reports whether the selection names anything besides exceptions.
func (s *Selection) names() bool { return s.Rooms != nil || s.Users != nil || s.Sockets != nil }

func (s *Selection) check() error {
	for _, one := range []struct {
		key   string
		names []string
	}{{"rooms", s.Rooms}, {"users", s.Users}, {"sockets", s.Sockets}, {"except", s.Except}} {
		if err := checkNames(one.key, one.names); err != nil {
			return err
		}
	}
	return nil
}

func checkNames(key string, names []string) error {
	switch {
	case names != nil && len(names) == 0:
		return fail(CodeBadRequest, "%s: an empty list names nobody; leave it out", key)
	case len(names) > mostNames:
		return fail(CodeBadRequest, "%s: names more than %d; send several requests", key, mostNames)
	}
	for _, name := range names {
		// The server's own rooms begin with a character that nobody can name.
		if name == "" || len(name) > longestPlace || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return fail(CodeBadRequest, "%s: %s is no name; one has 1 to %d bytes and no NUL", key, shown(name), longestPlace)
		}
	}
	return nil
}

// users finds the sockets of users of one namespace, and asks once for all operations of a request.
type users struct {
	api *API
	by  map[*namespaces.Namespace]map[string][]string
}

// of returns the rooms that stand for the given users.
func (u *users) of(ctx context.Context, ns *namespaces.Namespace, ruled Ruled, names []string) ([]string, error) {
	var places []string
	if ruled != nil {
		for _, name := range names {
			places = append(places, ruled.UserRoom(name))
		}
		return places, nil
	}
	if len(names) == 0 {
		return nil, nil
	}
	known := u.by[ns]
	if known == nil {
		known = map[string][]string{}
		for info, err := range ns.In().Sockets(ctx) {
			if err != nil {
				return nil, fail(CodeUnavailable, "not all nodes said who is there: %s", err)
			}
			known[info.Identity.Subject] = append(known[info.Identity.Subject], info.ID)
		}
		if u.by == nil {
			u.by = map[*namespaces.Namespace]map[string][]string{}
		}
		u.by[ns] = known
	}
	for _, name := range names {
		places = append(places, known[name]...)
	}
	return places, nil
}

// selected turns a selection into a broadcast. nobody is true when the selection names sockets of which there are none.
func (u *users) selected(ctx context.Context, ns *namespaces.Namespace, ruled Ruled, s *Selection) (to namespaces.Broadcast, nobody bool, err error) {
	if err := s.check(); err != nil {
		return to, false, err
	}
	rooms, except := s.Rooms, s.Except
	if ruled != nil {
		if rooms, err = canonical(ruled, "rooms", rooms); err != nil {
			return to, false, err
		}
		if except, err = canonical(ruled, "except", except); err != nil {
			return to, false, err
		}
	}
	places, err := u.of(ctx, ns, ruled, s.Users)
	if err != nil {
		return to, false, err
	}
	places = slices.Concat(rooms, places, s.Sockets)
	to = ns.In(places...)
	if len(except) > 0 {
		to = to.Except(except...)
	}
	return to, s.names() && len(places) == 0, nil
}

// canonical returns the names of rooms in the form in which rooms are joined. An id of a socket stays as it is.
func canonical(ruled Ruled, key string, rooms []string) ([]string, error) {
	out := slices.Clone(rooms)
	for i, name := range rooms {
		form, err := ruled.RoomName(name)
		if err != nil {
			return nil, fail(CodeBadRequest, "%s: %s: %s", key, shown(name), err)
		}
		out[i] = form
	}
	return out, nil
}
