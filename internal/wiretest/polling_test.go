package wiretest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A server may close an idle connection just when the client sends its next request there.
func TestAPOSTIsRepeatedWhenItsIdleConnectionWasClosed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() { served <- closeInTheMiddle(ln) }()
	c, err := Dial(t.Context(), ln.Addr().String(), "polling", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	if err := c.Send("4once"); err != nil {
		t.Error(err)
		_ = ln.Close()
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// closeInTheMiddle opens a session, closes that connection when a request comes, unread,
// and answers it on the next one.
func closeInTheMiddle(ln net.Listener) error {
	for _, body := range []string{`0{"sid":"x"}`, "ok"} {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		req, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return err
		}
		res := http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
		if err := res.Write(conn); err != nil {
			return err
		}
		if body == "ok" {
			return nil
		}
		if _, err := in.Peek(1); err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}
