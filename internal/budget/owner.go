package budget

import (
	"hash/maphash"
	"net/netip"
)

// Owner is a user, or an address where there is no user, to whom bytes are
// charged. It is a keyed hash, comparable and eight bytes long, so that a
// connection can carry it at no cost; it means nothing outside this process. Two
// owners with the same hash would share an account, which takes some billions of
// them.
type Owner uint64

// admitted is the bit of an Owner that a namespace has admitted.
const admitted Owner = 1

// seed keeps clients from choosing another owner's hash.
var seed = maphash.MakeSeed()

// userKey identifies a user: subjects are unique within their issuer.
type userKey struct{ issuer, subject string }

// Stranger returns the owner for clients of an address before they are admitted.
// One customer has all of an IPv6 /64, so that counts as one address.
func Stranger(addr netip.Addr) Owner {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return Owner(maphash.Comparable(seed, prefix)) &^ admitted
}

// User returns the owner for the admitted connections of a user.
func User(issuer, subject string) Owner {
	return Owner(maphash.Comparable(seed, userKey{issuer, subject})) | admitted
}

// Guest returns the owner that a stranger becomes when it is admitted without being
// a user: its address still counts, but no longer as a stranger's.
func (o Owner) Guest() Owner { return o | admitted }

// Admitted reports whether o is a user or a guest, and not a stranger.
func (o Owner) Admitted() bool { return o&admitted != 0 }
