package namespaces_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// pass is a credential of these tests: {"sub":…, "id":…, "ttl": seconds, "scopes":[…]}. Without a ttl it does not expire.
type pass struct {
	Sub    string   `json:"sub"`
	Iss    string   `json:"iss"`
	ID     string   `json:"id"`
	TTL    float64  `json:"ttl"`
	Scopes []string `json:"scopes"`
}

// office is a gate with revocation. Hooks run before it answers.
type office struct {
	checking   func()
	refreshing func()

	mu      sync.Mutex
	revoked map[string]bool // token ids
}

func (o *office) read(r *handshake.Request) (handshake.Identity, error) {
	var p pass
	if err := json.Unmarshal(r.Auth, &p); err != nil || p.Sub == "" {
		return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "No."}
	}
	id := handshake.Identity{Subject: p.Sub, Issuer: p.Iss, TokenID: p.ID, Scopes: p.Scopes}
	if p.TTL > 0 {
		id.ExpiresAt = time.Now().Add(time.Duration(p.TTL * float64(time.Second)))
	}
	return id, o.Recheck(id)
}

func (o *office) Check(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	id, err := o.read(r)
	if o.checking != nil {
		o.checking()
	}
	return id, err
}

func (o *office) Refresh(_ context.Context, r *handshake.Request, _ handshake.Identity) (handshake.Identity, error) {
	id, err := o.read(r)
	if o.refreshing != nil {
		o.refreshing()
	}
	return id, err
}

func (o *office) Recheck(id handshake.Identity) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revoked[id.TokenID] {
		return &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "Revoked."}
	}
	return nil
}

func (o *office) revoke(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revoked == nil {
		o.revoked = make(map[string]bool)
	}
	o.revoked[token] = true
}

// enterWith connects to a namespace with a pass and returns the socket.
func (p *peer) enterWith(ns *namespaces.Namespace, pass string) *namespaces.Socket {
	p.t.Helper()
	p.say("0" + prefix(ns.Name()) + pass)
	for _, frame := range p.take() {
		if id, ok := strings.CutPrefix(frame, "0"+prefix(ns.Name())+`{"sid":"`); ok {
			s, _ := ns.Socket(strings.TrimSuffix(id, `"}`))
			return s
		}
	}
	p.t.Fatalf("%s did not admit %s", ns.Name(), pass)
	return nil
}

// after lets the time pass and waits until all is quiet.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expiringAt is the notice about an identity that ends after the given time.
func expiringAt(in time.Duration) string {
	return fmt.Sprintf(`2["auth:expiring",{"expiresAt":%d}]`, time.Now().Add(in).UnixMilli())
}

// accepted is the answer to a refresh with an identity that ends after the given time.
func accepted(id string, in time.Duration) string {
	return fmt.Sprintf(`3%s[{"ok":true,"expiresAt":%d}]`, id, time.Now().Add(in).UnixMilli())
}

func (p *peer) expectOpen() {
	p.t.Helper()
	synctest.Wait()
	if closed, _, reason := p.isClosed(); closed {
		p.t.Fatalf("closed with %q", reason)
	}
}

func TestEventsOfASessionsLifeAreReserved(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s := p.enterWith(ns, `{"sub":"ann"}`)
		for _, event := range []string{"auth:expiring", "auth:revoked", "auth:refresh", "auth:anything"} {
			if s.Emit(event) == nil || ns.Emit(event) == nil || ns.In("r").Volatile().Emit(event) == nil {
				t.Errorf("%s was emitted", event)
			}
		}
		p.say(`21["auth:expiring",{}]`)
		p.expect(`31[{"ok":false,"error":{"code":"unknown_event","message":"This namespace has no such event."}}]`)
	})
}
