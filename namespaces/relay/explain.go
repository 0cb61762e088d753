package relay

// Explain says what the rules decide about a user, and why: about the entry and,
// if they are named, about a room and an event. It ends at the first refusal,
// since no later rule is asked.
func (p *Policy) Explain(f Facts) []Decision {
	decisions := []Decision{explainEntry(p.admit, &f)}
	if !decisions[0].Allowed || f.Room == "" && f.Event == "" {
		return decisions
	}
	if f.Room == "" {
		return append(decisions, p.explainEvent(&f))
	}
	event := f.Event
	room, err := p.Room(&f, f.Room)
	if err != nil {
		return append(decisions, Decision{Rule: "rooms", Problem: err.Error()})
	}
	decisions = append(decisions, explainMissing(room.rule.join, room.rule.at+".join", &f))
	if event == "" {
		return decisions
	}
	if len(room.rule.Events) > 0 && !fits(room.rule.Events, event) {
		return append(decisions, Decision{Rule: room.rule.at + ".events", Problem: "the event is not in the list"})
	}
	if reserved(event) {
		return append(decisions, Decision{Rule: room.rule.at + ".events", Problem: "the event belongs to the server"})
	}
	return append(decisions, explainMissing(room.rule.send, room.rule.at+".send", &f))
}

func explainEntry(r *rule, f *Facts) Decision {
	if r == nil {
		return Decision{Allowed: true, Rule: "admit", Problem: "there is no such rule: whoever signs in may enter"}
	}
	return r.explain(f)
}

func explainMissing(r *rule, key string, f *Facts) Decision {
	if r == nil {
		return Decision{Rule: key, Problem: "there is no such rule: nobody may"}
	}
	return r.explain(f)
}

// explainEvent explains an event that names no room.
func (p *Policy) explainEvent(f *Facts) Decision {
	relay, ok := p.Forward(f.Event)
	switch {
	case ok && relay.rule.allow != nil:
		return relay.rule.allow.explain(f)
	case ok:
		return Decision{Allowed: true, Rule: relay.rule.at, Problem: "whoever is in may send it"}
	case p.cfg.Backend != "":
		return Decision{Allowed: true, Rule: "backend", Problem: "the back end " + p.cfg.Backend + " decides"}
	}
	return Decision{Rule: "relay", Problem: "no rule passes the event on, and no back end handles it"}
}
