package namespaces_test

import (
	"testing"

	"gatehouse/namespaces"
)

// TestAStrangerSendsNoAttachments holds what a client can make the server keep before anybody has admitted it: the header of
// a binary packet already ends the connection (attack F1).
func TestAStrangerSendsNoAttachments(t *testing.T) {
	for _, text := range []string{`51-["e",{"_placeholder":true,"num":0}]`, `61-3[{"_placeholder":true,"num":0}]`} {
		run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
			p := newPeer(t, h)
			p.say(text)
			p.expectClosed("attachments before admission")
			if st := h.Stats(); st.Clients != 0 {
				t.Errorf("still there: %+v", st)
			}
		})
	}
}

// TestAKnownClientSendsAttachments also after it has left its last namespace: limits for strangers do not come back.
func TestAKnownClientSendsAttachments(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.push(`51-7["raw",{"_placeholder":true,"num":0}]`)
		p.client.Message(true, []byte{1, 2})
		p.expect(`61-7[{"_placeholder":true,"num":0}]<0102>`)
	})
}
