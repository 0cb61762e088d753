package engine

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// nodeMark stands in a session id before the name of the node. It does not occur in the random part.
const nodeMark = "."

// sessionID makes an id of randomness and the node's name.
func (srv *Server) sessionID(raw []byte) string {
	id := base64.RawURLEncoding.EncodeToString(raw)
	if srv.cfg.Node != "" {
		id += nodeMark + srv.cfg.Node
	}
	return id
}

// elsewhere returns the name of the other node that has a session, as its id says, or "".
func (srv *Server) elsewhere(id string) string {
	if srv.cfg.Elsewhere == nil {
		return ""
	}
	_, node, ok := strings.Cut(id, nodeMark)
	if !ok || node == srv.cfg.Node {
		return ""
	}
	return node
}

// hijackable reports whether a request must go through net/http, because only net/http can hand its
// connection on.
func (srv *Server) hijackable(rawQuery string) bool {
	if srv.cfg.Elsewhere == nil || !escaped(rawQuery) && !strings.Contains(rawQuery, "sid=") {
		return false
	}
	query, err := url.ParseQuery(rawQuery)
	return err != nil || srv.elsewhere(query.Get("sid")) != ""
}
