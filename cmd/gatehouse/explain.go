package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"gatehouse/server"
)

// explainCommand prints the decisions of the configuration's rules about a user.
type explainCommand struct {
	configFile `embed:""`

	Dev       bool   `help:"Use the key of serve --dev, unless the configuration has one."`
	Token     string `required:"" placeholder:"TOKEN" help:"The token that the client would bring."`
	Namespace string `required:"" placeholder:"NAME" help:"The namespace, such as /app."`
	Room      string `placeholder:"ROOM" help:"A room that the client would join, or send to."`
	Event     string `placeholder:"NAME" help:"An event that the client would send."`
	Address   string `default:"127.0.0.1" placeholder:"IP" help:"The address that the client would have (default ${default})."`
	JSON      bool   `name:"json" help:"Print the decisions as JSON."`
}

// errRefused ends an explanation of something that is not allowed.
var errRefused = errors.New("refused")

// Run prints each decision with its rule and its values. Exit code 1 means
// refused.
func (c *explainCommand) Run(p *program) error {
	address, err := netip.ParseAddr(c.Address)
	if err != nil {
		return fmt.Errorf("--address: %q is no IP address", c.Address)
	}
	s, err := load(c.File, p.env, nil)
	if err != nil {
		return err
	}
	if err := p.signingKey(&s, s.Dev || c.Dev); err != nil {
		return err
	}
	id, decisions, err := s.Explain(p.ctx, server.Question{
		Token: c.Token, Namespace: c.Namespace, Room: c.Room, Event: c.Event, Address: address,
	})
	if err != nil {
		return err
	}
	allowed := decisions[len(decisions)-1].Allowed
	if c.JSON {
		err = json.NewEncoder(p.stdout).Encode(map[string]any{"subject": id.Subject, "allowed": allowed, "decisions": decisions})
	} else {
		_, err = fmt.Fprintln(p.stdout, "the token speaks for", id.Subject)
		for _, d := range decisions {
			_, _ = fmt.Fprintln(p.stdout, d)
		}
	}
	if err == nil && !allowed {
		return errRefused
	}
	return err
}
