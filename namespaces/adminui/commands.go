package adminui

import (
	"context"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// target is a selection of sockets in a namespace: those in a room, the one of an id, or all when neither is named.
func (u *UI) target(ctx context.Context, name string, filter *string) (namespaces.Broadcast, error) {
	ns, ok, err := u.cfg.Hub().Open(ctx, name) // one of a family may be at another node only
	switch {
	case err != nil:
		return namespaces.Broadcast{}, err
	case !ok:
		return namespaces.Broadcast{}, namespaces.BadRequest("There is no such namespace.")
	case filter == nil || *filter == "":
		return ns.In(), nil
	case hidden(*filter):
		return namespaces.Broadcast{}, namespaces.BadRequest("This is no room.")
	}
	return ns.In(*filter), nil
}

// command reads the arguments of a command and carries it out, which is logged.
func (u *UI) command(name string, do func(ctx context.Context, args packet.Args) error) {
	namespaces.Handle(u.ns, name, func(ctx context.Context, s *namespaces.Socket, args packet.Args) error {
		err := do(ctx, args)
		u.cfg.Logger.Info("command of the admin interface", "user", s.Identity().Subject, "command", name, "namespace", text(args, 0), "error", err)
		return err
	})
}

func text(args packet.Args, i int) string {
	var s string
	_ = args.Decode(i, &s) // something else is no text
	return s
}

// optional is an argument that may be missing or null.
func optional(args packet.Args, i int) (s *string, err error) {
	if i < args.Len() {
		err = args.Decode(i, &s)
	}
	return s, err
}

var badCommand = namespaces.BadRequest("The command has other arguments.")

func (u *UI) defineCommands() {
	u.command("emit", func(ctx context.Context, args packet.Args) error { // namespace, filter, event, arguments…
		if args.Len() < 3 {
			return badCommand
		}
		filter, err := optional(args, 1)
		if err != nil {
			return badCommand
		}
		to, err := u.target(ctx, text(args, 0), filter)
		if err != nil {
			return err
		}
		var rest []any
		for i := 3; i < args.Len(); i++ {
			var v any
			if err := args.Decode(i, &v); err != nil {
				return badCommand
			}
			rest = append(rest, v)
		}
		return to.Emit(text(args, 2), rest...)
	})
	moving := func(move func(to namespaces.Broadcast, room string) error) func(context.Context, packet.Args) error { // namespace, room, filter
		return func(ctx context.Context, args packet.Args) error {
			room := text(args, 1)
			filter, err := optional(args, 2)
			if err != nil || room == "" || hidden(room) {
				return badCommand
			}
			to, err := u.target(ctx, text(args, 0), filter)
			if err != nil {
				return err
			}
			return move(to, room)
		}
	}
	u.command("join", moving(func(to namespaces.Broadcast, room string) error { return to.Join(room) }))
	u.command("leave", moving(func(to namespaces.Broadcast, room string) error { return to.Leave(room) }))
	u.command("_disconnect", func(ctx context.Context, args packet.Args) error { // namespace, whether to close the connection, filter
		var closing bool
		filter, err := optional(args, 2)
		if err != nil || args.Decode(1, &closing) != nil {
			return badCommand
		}
		to, err := u.target(ctx, text(args, 0), filter)
		if err != nil {
			return err
		}
		return to.Disconnect(closing)
	})
}
