package namespaces

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gatehouse/packet"
)

// Whoever asks for no beginnings and ends pays nothing on the way of an event and of a broadcast.
func TestBeginningsThatNobodyAsksForAllocateNothing(t *testing.T) {
	h, ctx, s := newHooks(nil), context.Background(), &Socket{}
	n := testing.AllocsPerRun(100, func() {
		_, done := h.event(ctx, s, Event{Name: "x", Args: packet.Args{}})
		done(nil)
		h.broadcast(nil, Broadcasting{Event: "x", By: s})(nil)
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
			Broadcast: func(_ *Namespace, b Broadcasting) func(error) {
				told = append(told, name+" sends "+b.Event)
				return nil
			},
		}
	}
	h := newHooks([]Hooks{watch("a"), {}, watch("b")})
	_, done := h.event(t.Context(), &Socket{}, Event{Name: "x"})
	h.broadcast(nil, Broadcasting{Event: "y"})(nil)
	done(errors.New("badly"))
	if want := []string{"a begins x", "b begins x", "a sends y", "b sends y", "b ends badly", "a ends badly"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
}
