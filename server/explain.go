package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"gatehouse/handshake"
	"gatehouse/namespaces/relay"
)

// Question asks whether the owner of a token may do something in a configured
// namespace: enter it, join a room, or send an event.
type Question struct {
	Token     string
	Namespace string
	Room      string
	Event     string
	Address   netip.Addr // the client's address, for rules that look at it
}

// Explain verifies the token as the server would, in the auth payload of a client,
// and returns its identity and the decisions of the rules, up to the first refusal.
// It does not ask a running server, so it does not know about revocations. It fails
// when the token is refused, or when there are no rules for the namespace.
func (c Config) Explain(ctx context.Context, q Question) (handshake.Identity, []relay.Decision, error) {
	c = c.WithDefaults()
	label, parts, ok := relay.Find(c.Namespaces, q.Namespace)
	if !ok {
		return handshake.Identity{}, nil, fmt.Errorf("the configuration has no namespace %s", q.Namespace)
	}
	policy, err := relay.NewPolicy(c.Namespaces[label], relay.Variables(label))
	if err != nil {
		return handshake.Identity{}, nil, fmt.Errorf("namespaces.%s: %w", label, err)
	}
	gate, err := handshake.NewGate(c.gate())
	if err != nil {
		return handshake.Identity{}, nil, err
	}
	defer gate.Close()
	auth, err := json.Marshal(map[string]string{"token": q.Token})
	if err != nil {
		return handshake.Identity{}, nil, err
	}
	id, err := gate.Check(ctx, &handshake.Request{Namespace: q.Namespace, Auth: auth, RemoteAddr: q.Address, Secure: true, Transport: "websocket"})
	var why *handshake.Refusal
	if errors.As(err, &why) {
		return id, nil, fmt.Errorf("the token lets nobody in: %s: %s", why.Code, causeOf(why))
	}
	if err != nil {
		return id, nil, fmt.Errorf("the token lets nobody in: %w", err)
	}
	return id, policy.Explain(relay.Facts{
		Identity: id, Address: q.Address.String(), Namespace: q.Namespace, Parts: parts, Room: q.Room, Event: q.Event,
	}), nil
}

// causeOf returns the cause of a refusal, as the log would have it.
func causeOf(why *handshake.Refusal) string {
	if why.Cause != nil {
		return why.Cause.Error()
	}
	return why.Message
}
