package api

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/history"
)

// HistoryPage is a part of a room's history, in the order in which it was sent.
type HistoryPage struct {
	OK       bool             `json:"ok"`
	Entries  []HistoryEntry   `json:"entries"`
	Position history.Position `json:"position"` // since when to ask next
	Complete bool             `json:"complete"` // false when a part of the requested history is gone
}

// HistoryEntry is one event of the history.
type HistoryEntry struct {
	history.Entry
	At time.Time `json:"at"`
}

// history answers with a part of a room's history.
func (a *API) history(w http.ResponseWriter, r *http.Request) error {
	ns, ruled, room, err := a.room(r)
	if err != nil {
		return err
	}
	q, err := historyQuery(r)
	if err != nil {
		return err
	}
	var page history.Page
	remembers := false
	if ruled != nil {
		if page, remembers, err = ruled.History(r.Context(), ns.Name(), room, q); err != nil {
			return fail(CodeUnavailable, "what the room remembers cannot be reached")
		}
	}
	if !remembers {
		return fail(CodeNotFound, "the room remembers nothing: no rule with history fits %s", shown(room))
	}
	out := HistoryPage{OK: true, Entries: []HistoryEntry{}, Position: page.Position, Complete: page.Complete}
	for _, e := range page.Entries {
		out.Entries = append(out.Entries, HistoryEntry{e, e.At})
	}
	return say(w, out)
}

// historyQuery reads since (an offset) with epoch, before and limit.
func historyQuery(r *http.Request) (q history.Query, err error) {
	given, err := queryOf(r, "since", "epoch", "before", "limit")
	if err != nil {
		return q, err
	}
	p, err := pagerOf("", given.Get("limit"))
	if err != nil {
		return q, err
	}
	q.Limit = p.limit
	if given.Has("since") != given.Has("epoch") {
		return q, fail(CodeBadRequest, "since and epoch: come together, as position has them")
	}
	if given.Has("since") {
		q.Since = &history.Position{Epoch: given.Get("epoch")}
		if q.Since.Offset, err = offsetIn(given, "since"); err != nil {
			return q, err
		}
	}
	if given.Has("before") {
		q.Before, err = offsetIn(given, "before")
	}
	return q, err
}

// offsetIn reads the parameter that holds an offset.
func offsetIn(q url.Values, name string) (uint64, error) {
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil {
		return 0, fail(CodeBadRequest, "%s: is a number", name)
	}
	return n, nil
}
