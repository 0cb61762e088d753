package chat

import (
	"bytes"
	"fmt"
	"testing"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// An answer made of parts that are JSON already is what encoding/json makes of
// the answer's type.
func TestTheAnswerToAJoinIsAJoined(t *testing.T) {
	strange := "<\"\\\u2028\n&\x01é\xff>"
	for _, size := range []struct{ members, messages int }{{1, 0}, {2, 1}, {maxMembers, 3}, {maxMembers + 20, 5}} {
		want := joined{OK: true, Count: size.members, Members: []Member{}, History: []Message{}, Complete: size.messages > 1}
		var m members
		m.init()
		for i := range size.members {
			u := user{key: handshake.UserKey{Subject: fmt.Sprint(i)}, Member: Member{User: fmt.Sprint(i), Name: strange}}
			m.add(u, "tab")
			if i%2 == 0 {
				m.first() // from here on the list is kept
			}
			if i < maxMembers {
				want.Members = append(want.Members, u.Member)
			}
		}
		var history []post
		for i := range size.messages {
			msg := Message{ID: fmt.Sprint(i), Room: strange, From: "a", Name: strange, Text: strange, At: int64(i), Nonce: strange[:i]}
			args, err := packet.NewArgs(msg)
			if err != nil {
				t.Fatal(err)
			}
			history, want.History = append(history, post{msg.ID, args.Raw(0)}), append(want.History, msg)
		}
		encoded, err := packet.NewArgs(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := answerJoin(size.members, m.first(), history, want.Complete); !bytes.Equal(got.Raw(0), encoded.Raw(0)) || got.Len() != 1 {
			t.Errorf("%+v:\n%s, not\n%s", size, got.Raw(0), encoded.Raw(0))
		}
	}
}

// The kept list is that of the members, while users come and go.
func TestTheListOfMembersFollowsThem(t *testing.T) {
	var m members
	m.init()
	key := func(i int) handshake.UserKey { return handshake.UserKey{Subject: fmt.Sprint(i)} }
	check := func(what string) {
		t.Helper()
		var want []byte
		for i, p := range m.order[:min(maxMembers, len(m.order))] {
			if i > 0 {
				want = append(want, ',')
			}
			want = fmt.Appendf(want, `{"user":%q,"name":%q}`, p.User, p.Name)
		}
		if got := m.first(); !bytes.Equal(got, want) {
			t.Fatalf("%s:\n%s, not\n%s", what, got, want)
		}
	}
	for i := range 2 * maxMembers {
		m.add(user{key: key(i), Member: Member{User: fmt.Sprint(i), Name: "n"}}, "tab")
		check(fmt.Sprint(i, " came"))
	}
	for i := range 2 * maxMembers {
		gone := (i*7 + 150) % (2 * maxMembers) // from behind the list and from within
		m.remove(key(gone), "tab")
		check(fmt.Sprint(gone, " went"))
	}
}

func BenchmarkAnswerJoin(b *testing.B) {
	var m members
	m.init()
	for i := range maxMembers {
		m.add(user{key: handshake.UserKey{Subject: fmt.Sprint(i)}, Member: Member{User: fmt.Sprint("user-", i), Name: fmt.Sprint("user-", i)}}, "tab")
	}
	var history []post
	whole := joined{OK: true, Count: maxMembers, Complete: true}
	for i := range 200 {
		msg := Message{ID: "0123456789abcdef", Room: "hall", From: "user-1", Name: "user-1", Text: "the quick brown fox jumps over the lazy dog, and once more so", At: int64(i)}
		args, _ := packet.NewArgs(msg)
		history, whole.History = append(history, post{msg.ID, args.Raw(0)}), append(whole.History, msg)
	}
	for _, p := range m.order {
		whole.Members = append(whole.Members, p.Member)
	}
	for name, answer := range map[string]func() packet.Args{
		"of texts":   func() packet.Args { return answerJoin(maxMembers, m.first(), history, true) },
		"of a value": func() packet.Args { a, _ := packet.NewArgs(whole); return a },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = answer()
			}
		})
	}
}
