package core

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A place says, as text, which operations a node has carried out: "1700000000000-0 node:17". These are all operations
// up to the entry with that id and, for each node that follows, its operations up to that number, which were carried
// out ahead of the stream. Those are the node's own ones that it has carried out alone, and those that a failover has
// lost.

// Place is the place of the decisions so far, some of which the shell may still have to carry out.
func (l *Lane[B]) Place() string {
	if l.log == nil || l.steady() { // nobody asks without a log
		return l.at
	}
	place := l.at
	if l.ahead > 0 {
		place += " " + l.self + ":" + strconv.FormatUint(l.aheadTo, 10)
	}
	for _, node := range slices.Sorted(maps.Keys(l.unsettled)) {
		place += " " + node + ":" + strconv.FormatUint(l.unsettled[node], 10)
	}
	return place
}

// steady reports whether all operations that this node has carried out stand in their places of the stream.
func (l *Lane[B]) steady() bool { return l.ahead == 0 && len(l.unsettled) == 0 }

// IsSteady reports whether all operations that this node has carried out stand in the stream before the next entry that it
// reads.
func (l *Lane[B]) IsSteady() bool { return l.steady() }

// IsAhead reports whether this node has carried out operations of its own that are not in the log yet: a session that
// comes now would get them neither from the log nor when they come back.
func (l *Lane[B]) IsAhead() bool { return l.ahead > 0 }

// comes reports whether operations that had been carried out at a place, ahead of the stream, are still to come here.
func (l *Lane[B]) comes(place string) bool {
	_, nodes, _ := strings.Cut(place, " ")
	for one := range strings.FieldsSeq(nodes) {
		node, number, _ := strings.Cut(one, ":")
		seq, _ := strconv.ParseUint(number, 10, 64)
		if node == l.self && seq > l.ownRead || node != l.self && seq > l.readers[node] {
			return true
		}
	}
	return false
}

// entryOf is the id of the entry in a place.
func entryOf(place string) string {
	id, _, _ := strings.Cut(place, " ")
	return id
}

// Further returns the later one of a place and an entry, with the nodes of the place.
func Further(place, id string) string {
	at, nodes, apart := strings.Cut(place, " ")
	switch {
	case Compare(id, at) <= 0:
		return place
	case apart:
		return id + " " + nodes
	}
	return id
}

// Before reports whether an operation had been carried out at a place.
func (k *Kept[B]) Before(place string) bool {
	id, nodes, _ := strings.Cut(place, " ")
	if Compare(k.ID, id) <= 0 {
		return true
	}
	for nodes != "" {
		var one string
		one, nodes, _ = strings.Cut(nodes, " ")
		node, number, _ := strings.Cut(one, ":")
		if seq, err := strconv.ParseUint(number, 10, 64); err == nil && k.Seq > 0 && k.Seq <= seq && k.Node == node {
			return true
		}
	}
	return false
}
