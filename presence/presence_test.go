package presence

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
)

// told collects what is announced: "+ann" joined, "-ann" left, "=ann" state.
type told struct {
	mu      sync.Mutex
	changes []string
}

func (a *told) add(room string, c Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes = append(a.changes, room+string("+-="[c.Kind])+c.Member.User+fmt.Sprint(c.Count))
}

func (a *told) want(t *testing.T, want string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if got := strings.Join(a.changes, " "); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func member(name string) Member {
	return Member{Key: handshake.UserKey{Subject: name}, User: name, Name: name}
}

func key(name string) handshake.UserKey { return handshake.UserKey{Subject: name} }

func TestAUserIsThereOnceHoweverManyTabs(t *testing.T) {
	var a told
	tr := New(0, a.add)
	defer tr.Close()
	tr.Enter("r", member("ann"), "1")
	tr.Enter("r", member("ann"), "2")
	tr.Enter("r", member("bob"), "3")
	tr.Leave("r", key("ann"), "1", true)
	tr.Leave("r", key("ann"), "1", true) // twice
	tr.Leave("r", key("ann"), "2", true)
	tr.Leave("r", key("cat"), "9", true) // never there
	a.want(t, "r+ann1 r+bob2 r-ann1")
	if tr.Count("r") != 1 || tr.Count("other") != 0 {
		t.Errorf("counts %d, %d", tr.Count("r"), tr.Count("other"))
	}
}

func TestAConnectionThatBreaksForAMomentIsNoGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a told
		tr := New(5*time.Second, a.add)
		defer tr.Close()
		tr.Enter("r", member("ann"), "1")
		tr.Leave("r", key("ann"), "1", false)
		time.Sleep(4 * time.Second)
		tr.Enter("r", member("ann"), "2")
		time.Sleep(time.Minute)
		a.want(t, "r+ann1")
		tr.Leave("r", key("ann"), "2", false)
		time.Sleep(6 * time.Second)
		a.want(t, "r+ann1 r-ann0")
	})
}

func TestAGoodbyeWithinTheGraceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a told
		tr := New(5*time.Second, a.add)
		defer tr.Close()
		tr.Enter("r", member("ann"), "1")
		tr.Leave("r", key("ann"), "1", false)
		tr.Leave("r", key("ann"), "1", true)
		a.want(t, "r+ann1 r-ann0")
		tr.Enter("r", member("ann"), "2")
		time.Sleep(time.Minute)
		a.want(t, "r+ann1 r-ann0 r+ann1")
	})
}

func TestAStateIsToldAndKept(t *testing.T) {
	var a told
	tr := New(0, a.add)
	defer tr.Close()
	if tr.SetState("r", key("ann"), json.RawMessage(`1`)) {
		t.Error("who is not there has a state")
	}
	tr.Enter("r", member("ann"), "1")
	tr.SetState("r", key("ann"), json.RawMessage(`{"busy":true}`))
	a.want(t, "r+ann1 r=ann1")
	members, _ := tr.Members("r", "", 10)
	if len(members) != 1 || string(members[0].State) != `{"busy":true}` {
		t.Errorf("members %+v", members)
	}
}

func TestMembersComeInPages(t *testing.T) {
	tr := New(0, func(string, Change) {})
	defer tr.Close()
	for i := range 25 {
		tr.Enter("r", member(fmt.Sprintf("u%02d", (i*7)%25)), fmt.Sprint(i))
	}
	var seen []string
	after, more := "", true
	for more {
		var page []Member
		if page, more = tr.Members("r", after, 10); len(page) == 0 {
			t.Fatal("an empty page before the end")
		}
		for _, m := range page {
			seen = append(seen, m.User)
		}
		after = page[len(page)-1].User
	}
	if len(seen) != 25 || seen[0] != "u00" || seen[24] != "u24" {
		t.Errorf("pages %v", seen)
	}
}
