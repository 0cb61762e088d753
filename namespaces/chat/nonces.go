package chat

import "slices"

// nonces remembers the answers to messages, so that one that is sent again is answered again and not sent. It outlives the
// sender's stay in the room: a repetition usually comes after a reconnect.
type nonces struct {
	most    int
	answers map[nonceKey]sent
	order   []nonceKey // oldest first
	users   map[userKey]int
}

type nonceKey struct {
	user  userKey
	nonce string
}

// shareOfOne is the part of the memory that one user can take.
const shareOfOne = 8

func (n *nonces) init(most int) { n.most = most }

// find returns the first answer to a nonce of a user.
func (n *nonces) find(user userKey, nonce string) (sent, bool) {
	if nonce == "" {
		return sent{}, false
	}
	answer, ok := n.answers[nonceKey{user, nonce}]
	return answer, ok
}

// add remembers an answer. When there are too many, the oldest is forgotten: the user's own if they are that user's doing.
func (n *nonces) add(user userKey, nonce string, answer sent) {
	if nonce == "" {
		return
	}
	if n.answers == nil {
		n.answers, n.users = make(map[nonceKey]sent), make(map[userKey]int)
	}
	switch {
	case n.users[user] >= max(1, n.most/shareOfOne):
		n.forget(n.oldestOf(user))
	case len(n.order) >= n.most:
		n.forget(0)
	}
	k := nonceKey{user, nonce}
	n.answers[k] = answer
	n.order = append(n.order, k)
	n.users[user]++
}

func (n *nonces) oldestOf(user userKey) int {
	for i, k := range n.order {
		if k.user == user {
			return i
		}
	}
	return 0
}

func (n *nonces) forget(i int) {
	k := n.order[i]
	if i == 0 {
		n.order = n.order[1:] // the usual case; append moves to fresh memory now and then
	} else {
		n.order = slices.Delete(n.order, i, i+1)
	}
	delete(n.answers, k)
	if n.users[k.user]--; n.users[k.user] == 0 {
		delete(n.users, k.user)
	}
}
