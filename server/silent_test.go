package server

import (
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// encrypted is like a *tls.Conn whose client does not read: Close waits.
type encrypted struct{ net.Conn }

func (c encrypted) NetConn() net.Conn { return c.Conn }
func (c encrypted) Close() error      { select {} }

func TestTheOldestSilentConnectionIsClosedWithoutWaiting(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return encrypted{c} },
	} {
		t.Run(name, func(t *testing.T) {
			q := newSilence(1, slog.New(slog.DiscardHandler))
			oldest, client := net.Pipe()
			newer, _ := net.Pipe()
			q.state(wrap(oldest), http.StateIdle)
			q.state(newer, http.StateNew)
			if _, err := client.Read(make([]byte, 1)); err == nil {
				t.Error("it is open")
			}
			if silent, cut := q.count(); silent != 1 || cut != 1 {
				t.Errorf("%d silent, %d cut", silent, cut)
			}
		})
	}
}
