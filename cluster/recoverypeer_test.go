package cluster

import "testing"

// In a fleet with a server of Node's each client is recovered by its own kind of server. The other kind admits it as a new
// one, and leaves its session where it is.
func TestNodesServersAndOursRecoverTheirOwn(t *testing.T) {
	r := startRedis(t)
	m := recovering(t, r, 1, nil)[0]
	node := startPeer(t, "recovery", r)
	readsTheStream(t, m, node)
	type session struct{ SID, PID, Offset string }

	var theirs session
	node.ask(map[string]any{"do": "lose"}, &theirs)
	if theirs.PID == "" || theirs.Offset == "" {
		t.Fatalf("%+v", theirs)
	}
	client := r.client()
	until(t, "Node's server has stored its session", func() bool {
		n, _ := r.do(client, "EXISTS", "sio:session:"+theirs.PID).AsInt64()
		return n == 1
	})
	if _, in := m.come("", theirs.PID, theirs.Offset); in.SID == theirs.SID {
		t.Error("ours has recovered a client of Node's server")
	}
	var again session
	if node.ask(map[string]any{"do": "come", "pid": theirs.PID, "offset": theirs.Offset}, &again); again.SID != theirs.SID {
		t.Errorf("Node's server does not recover its own client any more: %+v, %+v", theirs, again)
	}

	g, ours := m.come("ada", "", "")
	_ = m.ns.In("room").Emit("event")
	offset := g.expectEvents("event")
	m.stored(ours.SID)
	if node.ask(map[string]any{"do": "come", "pid": ours.PID, "offset": offset}, &again); again.SID == ours.SID {
		t.Error("Node's server has recovered a client of ours")
	}
	_ = m.ns.In("room").Emit("missed")
	back, in := m.come("ada", ours.PID, offset)
	if in != ours {
		t.Errorf("%+v, want %+v", in, ours)
	}
	back.expectEvents("missed")
}
