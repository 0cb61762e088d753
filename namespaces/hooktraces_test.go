package namespaces

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gatehouse/packet"
)

// Hooks without Event and Broadcast cost nothing on the way of an event and of a broadcast.
func TestBeginningsThatNobodyAsksForAllocateNothing(t *testing.T) {
	h, ctx, s := newHooks(nil), context.Background(), &Socket{}
	n := testing.AllocsPerRun(100, func() {
		_, done := h.event(ctx, s, Event{Name: "x", Args: packet.Args{}})
		done(nil)
		_, done = h.broadcast(ctx, nil, Broadcasting{Event: "x", By: s})
		done(nil)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Hooks that return no function for the end cost nothing either.
func TestBeginningsWithoutAnEndAllocateNothing(t *testing.T) {
	h := newHooks([]Hooks{{
		Event: func(ctx context.Context, _ *Socket, _ Event) (context.Context, func(error)) { return ctx, nil },
		Broadcast: func(ctx context.Context, _ *Namespace, _ Broadcasting) (context.Context, func(error)) {
			return ctx, nil
		},
	}})
	ctx, s := context.Background(), &Socket{}
	n := testing.AllocsPerRun(100, func() {
		_, done := h.event(ctx, s, Event{Name: "x"})
		_, sent := h.broadcast(ctx, nil, Broadcasting{Event: "x", By: s})
		sent(nil)
		done(nil)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEventsAndBroadcastsAreToldFromTheirBeginningToTheirEnd(t *testing.T) {
	var told []string
	watch := func(name string) Hooks {
		return Hooks{
			Event: func(ctx context.Context, _ *Socket, e Event) (context.Context, func(error)) {
				told = append(told, name+" begins "+e.Name)
				return ctx, func(err error) { told = append(told, name+" ends "+err.Error()) }
			},
			Broadcast: func(ctx context.Context, _ *Namespace, b Broadcasting) (context.Context, func(error)) {
				told = append(told, name+" sends "+b.Event)
				return ctx, nil
			},
		}
	}
	h := newHooks([]Hooks{watch("a"), {}, watch("b")})
	_, done := h.event(t.Context(), &Socket{}, Event{Name: "x"})
	_, sent := h.broadcast(t.Context(), nil, Broadcasting{Event: "y"})
	sent(nil)
	done(errors.New("badly"))
	if want := []string{"a begins x", "b begins x", "a sends y", "b sends y", "b ends badly", "a ends badly"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
}
