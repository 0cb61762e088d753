package handshake

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowHash takes a second of the bubble's time.
type slowHash struct{ right string }

func (h slowHash) matches(password string) bool {
	time.Sleep(time.Second)
	return password == h.right
}

// slowPasswords verifies one user, a password a second.
func slowPasswords(t *testing.T) *passwords {
	t.Helper()
	p, err := newPasswords(BasicConfig{}.withDefaults(), Deps{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	p.users["ann"] = user{slowHash{"right"}, Identity{Subject: "ann"}}
	p.dummy = slowHash{}
	p.hashing = newHashing(1)
	return p
}

// try sends a password from an address and returns when the answer came.
func (p *passwords) try(t *testing.T, began time.Time, name, password string, address int) (time.Duration, error) {
	r := &Request{RemoteAddr: netip.AddrFrom4([4]byte{198, 51, byte(address >> 8), byte(address)})}
	_, err := p.Verify(t.Context(), Credential{Kind: KindBasic, User: name, Secret: Secret(password), Request: r})
	return time.Since(began), err
}

// Field fault 3: passwords wait for their turn.
func TestField03_PasswordsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := slowPasswords(t), time.Now()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				_, err := p.try(t, began, "ann", "right", i)
				wantCode(t, err, "")
			})
		}
		all.Wait()
	})
}

// Attack W4: wrong passwords from 100 addresses do not starve right ones.
func TestAttackW4_WrongPasswordsFromManyAddressesStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := slowPasswords(t), time.Now()
		var all sync.WaitGroup
		for i := range 100 { // once each, so that their addresses are known for it
			all.Go(func() { _, _ = p.try(t, began, "ann", "wrong", i) })
		}
		all.Wait()
		for i := range 100 {
			for n := range 5 {
				all.Go(func() { _, _ = p.try(t, began, fmt.Sprint("nobody", n), "wrong", i) })
			}
		}
		synctest.Wait()
		began = time.Now()
		var mu sync.Mutex
		var took []time.Duration
		for i := range 3 {
			all.Go(func() {
				d, err := p.try(t, began, "ann", "right", 1000+i)
				wantCode(t, err, "")
				mu.Lock()
				defer mu.Unlock()
				took = append(took, d)
			})
		}
		all.Wait()
		slices.Sort(took)
		if took[2] > 5*time.Second {
			t.Errorf("right passwords took %v", took)
		}
	})
}
