package api

import (
	"net/http"

	"gatehouse/namespaces"
)

// Moving puts sockets into rooms, or takes them out.
type Moving struct {
	Selection
	All   bool     `json:"all,omitempty"` // all sockets of the namespace, in place of a selection
	Join  []string `json:"join,omitempty"`
	Leave []string `json:"leave,omitempty"`
}

// Disconnecting ends sockets.
type Disconnecting struct {
	Selection
	All bool `json:"all,omitempty"`
	// CloseTransport closes the connection too, with the other namespaces that the client is in.
	CloseTransport bool `json:"closeTransport,omitempty"`
}

// Changed is the answer to a request that moves or disconnects sockets.
type Changed struct {
	OK       bool `json:"ok"`
	Selected int  `json:"selected"` // sockets of this node
}

const mostJoined = 100 // rooms of one request

func (a *API) join(w http.ResponseWriter, r *http.Request) error {
	var in Moving
	return a.change(w, r, &in, func() (*Selection, bool, namespaces.Change, error) {
		c := namespaces.Change{Join: in.Join}
		if in.Leave != nil {
			return nil, false, c, fail(CodeBadRequest, "leave: is another request; name the rooms in join")
		}
		return &in.Selection, in.All, c, checkMoved("join", in.Join)
	})
}

func (a *API) leave(w http.ResponseWriter, r *http.Request) error {
	var in Moving
	return a.change(w, r, &in, func() (*Selection, bool, namespaces.Change, error) {
		c := namespaces.Change{Leave: in.Leave}
		if in.Join != nil {
			return nil, false, c, fail(CodeBadRequest, "join: is another request; name the rooms in leave")
		}
		return &in.Selection, in.All, c, checkMoved("leave", in.Leave)
	})
}

func (a *API) disconnect(w http.ResponseWriter, r *http.Request) error {
	var in Disconnecting
	return a.change(w, r, &in, func() (*Selection, bool, namespaces.Change, error) {
		return &in.Selection, in.All, namespaces.Change{Disconnect: true, CloseTransport: in.CloseTransport}, nil
	})
}

func checkMoved(key string, rooms []string) error {
	if len(rooms) == 0 || len(rooms) > mostJoined {
		return fail(CodeBadRequest, "%s: names 1 to %d rooms", key, mostJoined)
	}
	return checkNames(key, rooms)
}

// change reads the body into in, and applies the change that read returns to the selected sockets.
func (a *API) change(w http.ResponseWriter, r *http.Request, in any, read func() (*Selection, bool, namespaces.Change, error)) error {
	ns, err := a.namespace(r)
	if err != nil {
		return err
	}
	text, err := body(w, r, mostBody)
	if err != nil {
		return err
	}
	if err := decode(text, in); err != nil {
		return err
	}
	s, all, c, err := read()
	switch {
	case err != nil:
		return err
	case all == s.names():
		return fail(CodeBadRequest, `name rooms, users or sockets, or say "all": true`)
	}
	ruled := a.ruled(ns.Name())
	to, nobody, err := (&users{api: a}).selected(r.Context(), ns, ruled, s)
	if err != nil {
		return err
	}
	if ruled != nil {
		if c.Join, err = canonical(ruled, "join", c.Join); err != nil {
			return err
		}
		if c.Leave, err = canonical(ruled, "leave", c.Leave); err != nil {
			return err
		}
	}
	out := Changed{OK: true}
	if !nobody {
		out.Selected = to.Count()
		if ruled != nil && !c.Disconnect {
			moveRuled(r, ns, ruled, to, c)
		}
		if err := apply(to, c); err != nil {
			return asReason(err)
		}
	}
	return say(w, out)
}

// moveRuled moves the sockets of this node by the rules of their namespace, so that presence is kept up to date.
// Sockets that end meanwhile, or are in too many rooms, are not moved.
func moveRuled(r *http.Request, ns *namespaces.Namespace, ruled Ruled, to namespaces.Broadcast, c namespaces.Change) {
	for info, err := range to.Local().Sockets(r.Context()) {
		if err != nil {
			return // the request has ended
		}
		if s, here := ns.Socket(info.ID); here {
			_ = ruled.Move(s, c.Leave, c.Join)
		}
	}
}

// apply makes a change, in the order of its fields.
func apply(to namespaces.Broadcast, c namespaces.Change) error {
	switch {
	case c.Disconnect:
		return to.Disconnect(c.CloseTransport)
	case c.Leave != nil:
		return to.Leave(c.Leave...)
	}
	return to.Join(c.Join...)
}
