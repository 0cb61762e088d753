package chat

import (
	"crypto/sha256"
	"slices"
	"strconv"

	"gatehouse/handshake"
)

// nonces remembers the answers to messages, so that one that is sent again is answered again and not sent. It outlives the
// sender's stay in the room: a repetition usually comes after a reconnect.
type nonces struct {
	most int
	held *tally

	answers []answer // oldest first; few enough for a linear search
}

// answer is the answer to a message with a nonce.
type answer struct {
	nonceKey
	stamp
}

// nonceWeight is how many bytes an answer counts for: about its share of a list that grows and shrinks.
const nonceWeight = 96

// nonceKey identifies a nonce by digests, because clients choose its length.
type nonceKey struct{ user, nonce digest }

// digest is the beginning of a SHA-256 sum. Finding two nonces with one digest takes 2^64 attempts and costs only a message
// of one's own; matching the digest of another user takes 2^128.
type digest [16]byte

func digestOf(text []byte) digest {
	sum := sha256.Sum256(text)
	return digest(sum[:16])
}

// nonceOf returns the key of a user's nonce; nil for none.
func nonceOf(u handshake.UserKey, nonce string) *nonceKey {
	if nonce == "" {
		return nil
	}
	var text [128]byte                                           // on the stack, for the usual length
	who := strconv.AppendInt(text[:0], int64(len(u.Issuer)), 10) // keeps issuer and subject apart
	who = append(append(append(who, ' '), u.Issuer...), u.Subject...)
	return &nonceKey{digestOf(who), digestOf([]byte(nonce))}
}

func (n *nonces) init(most int, held *tally) { n.most, n.held = most, held }

func (n *nonces) len() int { return len(n.answers) }

// find returns the first answer to a nonce.
func (n *nonces) find(k *nonceKey) (stamp, bool) {
	if k == nil {
		return stamp{}, false
	}
	for i := range n.answers {
		if a := &n.answers[i]; a.nonce == k.nonce && a.user == k.user {
			return a.stamp, true
		}
	}
	return stamp{}, false
}

// add remembers an answer. When there are too many, the oldest are forgotten: the user's own where the user's share is
// full.
func (n *nonces) add(k *nonceKey, first stamp) {
	if k == nil {
		return
	}
	switch oldest, count := n.of(k.user); {
	case count >= max(1, n.most/shareOfOne):
		n.forget(oldest, 1)
	case n.len() >= n.most:
		n.forget(0, max(1, n.most/64)) // forget some at once, because the others have to move up
	}
	n.answers = append(n.answers, answer{*k, first})
	n.held.add(nonceWeight)
}

// of returns where the user's oldest answer is, and how many there are.
func (n *nonces) of(user digest) (oldest, count int) {
	for i := len(n.answers) - 1; i >= 0; i-- {
		if n.answers[i].user == user {
			oldest, count = i, count+1
		}
	}
	return oldest, count
}

// forget forgets some answers, from the i-th on.
func (n *nonces) forget(i, some int) {
	n.answers = slices.Delete(n.answers, i, i+some)
	if len(n.answers) < cap(n.answers)/3 {
		n.answers = slices.Clone(n.answers) // gives memory back
	}
	n.held.add(-some * nonceWeight)
}

// clear takes a forgotten room's answers off the count.
func (n *nonces) clear() {
	n.held.add(-n.len() * nonceWeight)
	n.answers = nil
}
