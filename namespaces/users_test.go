package namespaces_test

import (
	"testing"

	"gatehouse/namespaces"
)

const replaced = "too_many_connections: replaced by a newer connection"

func TestReq06_TheOldestConnectionOfAUserGivesWay(t *testing.T) {
	a, b := namespaces.New("/a"), namespaces.New("/b")
	cfg := namespaces.Config{Gate: new(office), SessionLimits: namespaces.SessionLimits{MaxPerUser: 2}}
	run(t, cfg, []*namespaces.Namespace{a, b}, func(t *testing.T, h *namespaces.Hub) {
		first, second, third := newPeer(t, h), newPeer(t, h), newPeer(t, h)
		first.enterWith(a, `{"sub":"ann"}`)
		first.enterWith(b, `{"sub":"ann"}`) // the same connection
		second.enterWith(a, `{"sub":"ann"}`)
		newPeer(t, h).enterWith(a, `{"sub":"ann","iss":"other"}`) // another user
		newPeer(t, h).enterWith(a, `{"sub":"bob"}`)
		first.expectOpen()

		third.enterWith(a, `{"sub":"ann"}`)
		first.expect("1/a,", "1/b,") // so that it stays away
		first.expectClosed(replaced)
		second.expectOpen()
		third.expectOpen()
	})
}

func TestAConnectionThatHasEndedDoesNotCount(t *testing.T) {
	a, b := namespaces.New("/a"), namespaces.New("/b")
	cfg := namespaces.Config{Gate: new(office), SessionLimits: namespaces.SessionLimits{MaxPerUser: 1}}
	run(t, cfg, []*namespaces.Namespace{a, b}, func(t *testing.T, h *namespaces.Hub) {
		first, second := newPeer(t, h), newPeer(t, h)
		first.enterWith(a, `{"sub":"ann"}`)
		first.enterWith(b, `{"sub":"ann"}`)
		first.say("1/a,")
		first.say("1/b,")
		second.enterWith(a, `{"sub":"ann"}`)
		first.expectOpen()
		first.enterWith(a, `{"sub":"ann"}`) // now it is the newer one
		second.expectClosed(replaced)
		first.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		third := newPeer(t, h)
		third.enterWith(a, `{"sub":"ann"}`)
		third.expectOpen()
	})
}
