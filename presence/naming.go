package presence

import (
	"net/url"
	"strings"
	"sync/atomic"

	"gatehouse/handshake"
)

// Naming gives users of different issuers different names, for the fields "from" and "user" that clients see. Subjects
// are unique within their issuer only, so the users of one issuer, nearly always all users, are called by their subject
// alone, and the others by issuer and subject. It is safe for concurrent use; the zero value has no home.
type Naming struct {
	home atomic.Pointer[string] // the issuer whose users are called by their subject
}

// foreign begins the names that have an issuer. A subject that begins in this way is always told with its issuer, so
// that no user's subject is the name of another user.
const foreign = "@"

// Settle makes an issuer the home when there is none yet.
func (n *Naming) Settle(issuer string) { n.home.CompareAndSwap(nil, &issuer) }

// Call returns the name by which clients know a user.
func (n *Naming) Call(u handshake.UserKey) string {
	if home := n.home.Load(); home != nil && *home == u.Issuer && !strings.HasPrefix(u.Subject, foreign) {
		return u.Subject
	}
	return foreign + url.PathEscape(u.Issuer) + "/" + u.Subject
}
