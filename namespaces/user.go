package namespaces

import (
	"slices"
	"strings"
)

// userPrefix begins the name that stands for all sockets of a user in a selection, as the id of a socket stands for
// that socket. No room can have such a name. It is followed by the subject and, when only one issuer's user is meant,
// by a zero byte and the issuer.
const userPrefix = "\x00subject\x00"

// User selects the sockets of a user on all devices and nodes: those whose identity has the subject. Where several
// issuers are trusted and could use the same subject for different people, name the issuer that is meant: users of
// other issuers are then left out.
func (ns *Namespace) User(subject string, issuer ...string) Broadcast {
	return Broadcast{ns: ns}.User(subject, issuer...)
}

// User adds the sockets of a user, see [Namespace.User]. With several issuers, the users of each are meant.
func (b Broadcast) User(subject string, issuer ...string) Broadcast {
	names := []string{userPrefix + subject}
	for i, one := range issuer {
		names = append(names[:i], userPrefix+subject+"\x00"+one)
	}
	// It is named twice for adapters that have a channel for each room: an operation that names several rooms goes to all
	// nodes, so no node has to listen to a channel for each of its users.
	return b.In(append(names, names...)...)
}

// addUserLocked lets the socket be found by its user. everyone's mu is held.
func (ns *Namespace) addUserLocked(s *Socket) {
	user := s.Identity().User()
	if user.Subject == "" {
		return
	}
	ns.users.change(user.Subject, func(all []*Socket) ([]*Socket, bool) {
		s.placeOfUser = int32(len(all)) // there are fewer sockets
		return append(all, s), true
	})
}

// removeUser takes back addUserLocked; it may be called again.
func (ns *Namespace) removeUser(s *Socket) {
	user := s.Identity().User()
	ns.users.change(user.Subject, func(all []*Socket) ([]*Socket, bool) {
		at, last := int(s.placeOfUser), len(all)-1
		if at <= last && all[at] == s {
			all[at], all[last] = all[last], nil
			if at < last {
				all[at].placeOfUser = s.placeOfUser
			}
			all = all[:last]
		}
		return all, len(all) > 0
	})
}

// named returns the sockets that a name stands for: the one with that id, or those of a user.
func (ns *Namespace) named(name string) []*Socket {
	user, isUser := strings.CutPrefix(name, userPrefix)
	if !isUser {
		if s := ns.sockets.find(name); s != nil {
			return []*Socket{s}
		}
		return nil
	}
	subject, issuer, one := strings.Cut(user, "\x00")
	var sockets []*Socket
	ns.users.read(subject, func(all []*Socket) { sockets = slices.Clone(all) })
	if !one {
		return sockets
	}
	return slices.DeleteFunc(sockets, func(s *Socket) bool { return s.Identity().Issuer != issuer })
}
