package handshake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"gatehouse/internal/smalljson"
)

// TicketConfig is about single-use tickets.
type TicketConfig struct {
	TTL           time.Duration `koanf:"ttl" yaml:"ttl"`                       // zero is 30s; at most 5m
	BindAddress   bool          `koanf:"bind_address" yaml:"bind_address"`     // every ticket is for the address that asked for it
	MaxOpen       int           `koanf:"max_open" yaml:"max_open"`             // unredeemed tickets in the memory store; zero is 100000
	MaxRemembered int           `koanf:"max_remembered" yaml:"max_remembered"` // sessions whose redeemed tickets are remembered; zero is 200000
}

const (
	maxTicketTTL = 5 * time.Minute
	ticketBytes  = 32 // random bytes: twice what is required
)

func (c TicketConfig) withDefaults() TicketConfig {
	c.TTL = cmp.Or(c.TTL, 30*time.Second)
	c.MaxOpen = positiveOr(c.MaxOpen, 100_000)
	c.MaxRemembered = positiveOr(c.MaxRemembered, 200_000)
	return c
}

func (c TicketConfig) check() error {
	if c.TTL < 0 || c.TTL > maxTicketTTL {
		return fmt.Errorf("tickets.ttl: %s is outside 0s to %s; a ticket is used at once", c.TTL, maxTicketTTL)
	}
	return nil
}

// TicketStore keeps unredeemed tickets under the SHA-256 of each, so that a
// reader of the store can redeem none. It is called concurrently; an error
// other than ErrNoTicket and ErrTicketsFull means that the store cannot be
// reached.
type TicketStore interface {
	// Put keeps a record, which the store owns from then on, for ttl.
	Put(ctx context.Context, key [32]byte, record []byte, ttl time.Duration) error
	// Redeem returns the record and removes it in one step: of many concurrent
	// calls one gets it, the others ErrNoTicket.
	Redeem(ctx context.Context, key [32]byte) ([]byte, error)
}

var (
	// ErrNoTicket is the error for a ticket that was never made, has been used or
	// has lapsed.
	ErrNoTicket = errors.New("no such ticket")
	// ErrTicketsFull is the error of a store that holds as many tickets as it may.
	ErrTicketsFull = errors.New("the ticket store is full")
)

// TicketBinding says where a ticket may be redeemed. Zero fields bind nothing.
type TicketBinding struct {
	Origin    string     `json:"origin,omitempty"`
	Namespace string     `json:"namespace,omitempty"`
	Address   netip.Addr `json:"address,omitzero"`
}

// ticketRecord is what the store keeps.
type ticketRecord struct {
	Identity Identity      `json:"identity"`
	Binding  TicketBinding `json:"binding"`
	Expires  time.Time     `json:"expires"`
}

func (r *ticketRecord) decode(raw []byte) error {
	if err := smalljson.Decode(raw, r, smalljson.Exact); err != nil { // claims keep their numbers
		return fmt.Errorf("read ticket record: %w", err)
	}
	return nil
}

// ticketOffice mints and redeems.
type ticketOffice struct {
	cfg    TicketConfig
	store  TicketStore
	clock  func() time.Time
	random io.Reader
	memory *redemptions
}

// mint makes a ticket that ends no later than the identity.
func (o *ticketOffice) mint(ctx context.Context, id Identity, binding TicketBinding) (ticket string, expires time.Time, err error) {
	now := o.clock()
	expires = now.Add(o.cfg.TTL)
	if !id.ExpiresAt.IsZero() && id.ExpiresAt.Before(expires) {
		expires = id.ExpiresAt
	}
	record, err := json.Marshal(ticketRecord{Identity: id, Binding: binding, Expires: expires})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("encode ticket record: %w", err)
	}
	if ticket, err = randomText(o.random, ticketBytes); err != nil {
		return "", time.Time{}, err
	}
	err = o.store.Put(ctx, sha256.Sum256([]byte(ticket)), record, expires.Sub(now))
	if errors.Is(err, ErrTicketsFull) {
		return "", time.Time{}, &Refusal{Code: CodeRateLimited, Message: "Too many open tickets; try again in a moment.", RetryAfter: time.Second, Cause: err}
	}
	if err != nil {
		return "", time.Time{}, unavailable(fmt.Errorf("put ticket: %w", err))
	}
	return ticket, expires, nil
}

// Verify redeems a ticket, once; the session that redeemed it may present it
// again.
func (o *ticketOffice) Verify(ctx context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindTicket {
		return Identity{}, ErrNotMine
	}
	text := cred.Secret.Reveal()
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(raw) != ticketBytes {
		return Identity{}, ticketRefusal(errors.New("not the form of a ticket"))
	}
	record, err := o.memory.redeem(ctx, cred.Request.SessionID, sha256.Sum256([]byte(text)), o.cfg.MaxRemembered, o.redeem)
	switch {
	case errors.Is(err, ErrNoTicket):
		return Identity{}, ticketRefusal(err)
	case err != nil:
		return Identity{}, unavailable(fmt.Errorf("redeem ticket: %w", err))
	}
	if err := record.Binding.allows(cred.Request); err != nil {
		return Identity{}, err
	}
	id := record.Identity
	id.Method = MethodTicket
	return id, nil
}

func (o *ticketOffice) redeem(ctx context.Context, key [32]byte) (ticketRecord, error) {
	raw, err := o.store.Redeem(ctx, key)
	if err != nil {
		return ticketRecord{}, err
	}
	var record ticketRecord
	if err := record.decode(raw); err != nil {
		return ticketRecord{}, err
	}
	if !o.clock().Before(record.Expires) { // a store may be slow to forget
		return ticketRecord{}, ErrNoTicket
	}
	return record, nil
}

func ticketRefusal(cause error) *Refusal {
	return refuse(CodeTicketInvalid, "This ticket is used, expired or unknown; get a new one for each connection.", cause)
}

// allows compares a binding with the request that brought the ticket.
func (b TicketBinding) allows(r *Request) error {
	if b.Origin != "" && !b.sameOrigin(r) {
		return refuse(CodeTicketInvalid, "This ticket was made for another page; get one from this page.", errors.New("ticket bound to another origin"))
	}
	if b.Address.IsValid() && b.Address != r.RemoteAddr.Unmap().WithZone("") {
		return refuse(CodeTicketInvalid, "This ticket was made for another address; get a new one.", errors.New("ticket bound to another address"))
	}
	if b.Namespace != "" && b.Namespace != r.Namespace {
		return refuse(CodeTicketInvalid, "This ticket is for another namespace; get one for this namespace.", errors.New("ticket bound to another namespace"))
	}
	return nil
}

// sameOrigin lets a polling request of the own host pass without Origin:
// browsers leave it out there.
func (b TicketBinding) sameOrigin(r *Request) bool {
	origin, single := r.origin()
	if origin != "" || !single {
		return single && sameOrigin(origin, b.Origin)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Transport == "polling" && (site == "" || site == "same-origin") && sameOrigin(b.Origin, OwnOrigin(r.Host, r.Secure))
}

// sameOrigin compares two origins in canonical form.
func sameOrigin(a, b string) bool {
	if a == b {
		return true
	}
	one, ok := canonicalOrigin(a)
	other, valid := canonicalOrigin(b)
	return ok && valid && one == other
}

// ticketFromPayload reads auth.ticket.
func ticketFromPayload(r *Request) (Credential, error) {
	ticket, err := payloadString(r, "ticket", CodeTicketInvalid)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Kind: KindTicket, Secret: ticket}, nil
}

// ticketFromQuery reads ?ticket=.
func ticketFromQuery(r *Request) (Credential, error) {
	ticket, err := queryValue(r, "ticket")
	if err != nil {
		return Credential{}, err
	}
	return Credential{Kind: KindTicket, Secret: ticket}, nil
}
