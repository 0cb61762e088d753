package relay

import (
	"context"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// forward passes an event on.
func (r *Relay) forward(ctx context.Context, s *namespaces.Socket, e namespaces.Event, rule Forward) (packet.Args, error) {
	f := memberOf(s).facts(s)
	f.Event = e.Name
	allowed, err := rule.allows(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed {
		return packet.Args{}, namespaces.Forbidden("You may not send this.")
	}
	if err := r.charge(ctx, s, rule.rule.meter, rule.Rule().Limits, "", e.Name, size(e.Args)); err != nil {
		return packet.Args{}, err
	}
	args := []any{e.Args}
	if rule.Rule().Meta {
		args = append(args, r.meta(s, ""))
	}
	to, err := r.audience(s, rule, f)
	if err != nil {
		return packet.Args{}, err
	}
	to = to.Within(ctx)
	if rule.Rule().Volatile {
		to = to.Volatile()
	}
	if err := to.Emit(e.Name, args...); err != nil {
		return packet.Args{}, err
	}
	return packet.NewArgs(struct{}{})
}

// audience is the set of receivers of a forwarded event.
func (r *Relay) audience(s *namespaces.Socket, rule Forward, f *Facts) (namespaces.Broadcast, error) {
	switch rule.Rule().To {
	case ToEveryone:
		return s.Namespace().In().By(s), nil
	case ToOthers:
		return s.Others(), nil
	}
	rooms, err := rule.Rooms(f)
	if err != nil {
		r.failed(s, err)
	}
	if len(rooms) == 0 {
		return namespaces.Broadcast{}, namespaces.Forbidden("Your sign-in names no room that this goes to.")
	}
	return s.To(rooms...), nil
}

func size(args packet.Args) int {
	n := 0
	for i := range args.Len() {
		n += len(args.Raw(i))
	}
	for _, a := range args.Attachments() {
		n += len(a)
	}
	return n
}
