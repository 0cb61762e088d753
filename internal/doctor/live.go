package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// socket is a WebSocket to the server.
type socket struct {
	net.Conn
	in io.Reader // the bytes that came with the answer, then the connection
}

// dial opens a WebSocket. A refusal is an answer, not an error.
func (v *visit) dial(ctx context.Context, sid string) (*socket, answer, error) {
	var refused answer
	d := ws.Dialer{
		Timeout: patience, TLSConfig: v.cfg.TLS, Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {v.origin()}}),
		OnStatusError: func(status int, _ []byte, resp io.Reader) {
			refused.status = status
			if r, err := http.ReadResponse(bufio.NewReader(resp), nil); err == nil {
				text, _ := io.ReadAll(io.LimitReader(r.Body, mostText))
				_ = r.Body.Close()
				refused.kind, refused.text = r.Header.Get("Content-Type"), string(text)
			}
		},
	}
	conn, early, _, err := d.Dial(ctx, "ws"+strings.TrimPrefix(v.at("websocket", sid), "http"))
	if err != nil {
		return nil, refused, err
	}
	s := &socket{Conn: conn, in: conn}
	if early != nil {
		head, _ := early.Peek(early.Buffered())
		s.in = io.MultiReader(bytes.NewReader(bytes.Clone(head)), conn)
	}
	return s, answer{}, nil
}

// next reads one text message.
func (s *socket) next(limit time.Duration) (string, error) {
	if err := s.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	for {
		h, err := ws.ReadHeader(s.in)
		if err != nil {
			return "", err
		}
		if h.Length > mostText {
			return "", fmt.Errorf("a frame of %d bytes", h.Length)
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(s.in, data); err != nil {
			return "", err
		}
		switch h.OpCode {
		case ws.OpText:
			return string(data), nil
		case ws.OpClose:
			return "", fmt.Errorf("closed: %s", strings.TrimLeft(string(data), "\x00\x01\x02\x03"))
		}
	}
}

func (s *socket) say(text string) error { return wsutil.WriteClientText(s.Conn, []byte(text)) }

// webSocket opens a session that begins with a WebSocket.
func (v *visit) webSocket(ctx context.Context) {
	const check = "WebSocket"
	s, refused, err := v.dial(ctx, "")
	switch {
	case err != nil && refused.status != 0:
		v.fail(check, cures["upgrade headers"], "there is none, the answer is %s", refused.said())
		return
	case err != nil:
		v.fail(check, cures["upgrade headers"], "there is none: %s", reason(err))
		return
	}
	defer func() { _ = s.Close() }()
	switch text, err := s.next(5 * time.Second); {
	case err != nil:
		v.fail(check, cures["open apart"], "it opens, and its first packet does not come: %v", err)
	case !strings.HasPrefix(text, "0{"): // such as the PING that comes next
		v.fail(check, cures["open apart"], "it opens, and its first packet does not come: %q does", text)
	default:
		v.ok(check, "opens, and its first packet comes")
	}
}

// upgrade moves a polling session to a WebSocket.
func (v *visit) upgrade(ctx context.Context) {
	const check = "upgrade"
	o, a, err := v.session(ctx)
	switch {
	case err != nil || o.SID == "":
		v.skip(check, "no session: "+lost(a, err))
		return
	case len(o.Upgrades) == 0:
		v.skip(check, "the server offers none (engine.no_upgrades)")
		return
	}
	defer v.leave(ctx, o.SID)
	s, refused, err := v.dial(ctx, o.SID)
	switch {
	case err != nil && refused.unknownSession():
		v.fail(check, cures["sticky"], "the WebSocket reached a node that does not have the session")
		return
	case err != nil:
		v.fail(check, cures["upgrade headers"], "a polling session gets no WebSocket: %s", reason(err))
		return
	}
	defer func() { _ = s.Close() }()
	if err := s.say("2probe"); err == nil {
		if text, err := s.next(5 * time.Second); err == nil && text == "3probe" {
			v.ok(check, "a polling session changes to WebSocket")
			return
		}
	}
	v.fail(check, cures["upgrade headers"], "the WebSocket of a polling session opens, and its probe is not answered")
}

// origins asks as a page of the server's own host, and as one of an unknown host.
func (v *visit) origins(ctx context.Context) {
	const check = "origin"
	from := func(origin string) (answer, error) {
		a, err := v.ask(ctx, http.MethodGet, v.at("polling", ""), "", http.Header{"Origin": {origin}})
		var o open
		if err == nil && strings.HasPrefix(a.text, "0{") && json.Unmarshal([]byte(a.text[1:]), &o) == nil {
			v.leave(ctx, o.SID)
		}
		return a, err
	}
	own, err := from(v.origin())
	if err != nil {
		v.fail(check, cures["away"], "as a page of %s: %s", v.origin(), reason(err))
		return
	}
	foreign, err := from("https://gatehouse-doctor.invalid")
	switch {
	case own.status == http.StatusForbidden:
		v.fail(check, cures["origin"], "a page of %s is refused: %s", v.origin(), own.said())
	case err == nil && foreign.status == http.StatusOK:
		v.warn(check, []string{"origins.insecure_allow_any: false, and the pages in origins.allow"}, "any page of the world may connect")
	default:
		v.ok(check, "a page of %s may connect, one of nobody's may not", v.origin())
	}
}

// admission enters the namespace, with the token if there is one, and sends a
// message of nearly the largest size.
func (v *visit) admission(ctx context.Context) {
	const check = "admission"
	s, _, err := v.dial(ctx, "")
	if err != nil {
		v.skip(check, "no WebSocket")
		return
	}
	defer func() { _ = s.Close() }()
	reply, err := v.enter(s)
	switch in := strings.HasPrefix(reply, "40"); {
	case err != nil && v.cfg.Token == "":
		v.ok(check, "nobody enters %s without a credential", v.cfg.Namespace)
	case err != nil:
		v.fail(check, []string{"the server's log has the cause"}, "no answer for %s: %v", v.cfg.Namespace, err)
	case in && v.cfg.Token == "":
		v.warn(check, []string{"auth.ways and auth.namespaces without anonymous, if that is not meant"}, "anybody enters %s without a credential", v.cfg.Namespace)
	case in:
		v.ok(check, "the token opens %s", v.cfg.Namespace)
		v.largest(ctx)
	case v.cfg.Token == "":
		v.ok(check, "nobody enters %s without a credential", v.cfg.Namespace)
	default:
		v.fail(check, []string{"the server's log has the cause"}, "the token does not open %s: %s", v.cfg.Namespace, reply)
	}
}

// enter asks for the namespace over a new WebSocket.
func (v *visit) enter(s *socket) (string, error) {
	if _, err := s.next(5 * time.Second); err != nil {
		return "", err
	}
	if err := s.say(v.connect()); err != nil {
		return "", err
	}
	return s.next(patience)
}

// connect makes the CONNECT packet.
func (v *visit) connect() string {
	packet := "40"
	if v.cfg.Namespace != "/" {
		packet += v.cfg.Namespace + ","
	}
	if v.cfg.Token == "" {
		return packet
	}
	auth, _ := json.Marshal(map[string]string{"token": v.cfg.Token}) // never fails
	return packet + string(auth)
}

// largest sends an event that nobody handles in a POST of nearly maxPayload.
func (v *visit) largest(ctx context.Context) {
	const check = "large messages"
	o, _, err := v.session(ctx)
	if err != nil || o.SID == "" {
		v.skip(check, "no session")
		return
	}
	defer v.leave(ctx, o.SID)
	if _, err := v.post(ctx, o.SID, v.connect()); err != nil {
		v.skip(check, reason(err))
		return
	}
	if a, err := v.ask(ctx, http.MethodGet, v.at("polling", o.SID), "", nil); err != nil || !strings.HasPrefix(a.text, "40") {
		v.skip(check, "not admitted over polling: "+lost(a, err))
		return
	}
	event := strings.Replace(strings.SplitN(v.connect(), "{", 2)[0], "40", "42", 1) + `["gatehouse:doctor",""]`
	event = strings.Replace(event, `""`, `"`+strings.Repeat("x", max(0, o.MaxPayload-len(event)))+`"`, 1)
	switch a, err := v.post(ctx, o.SID, event); {
	case err != nil:
		v.fail(check, cures["body"], "a message of %d bytes: %s", len(event), reason(err))
	case a.status != http.StatusOK:
		v.fail(check, cures["body"], "a message of %d bytes, which the server takes, gets %s", len(event), a.said())
	default:
		v.ok(check, "a message of %d bytes passes", len(event))
	}
}

// heartbeat holds a WebSocket and a poll idle until the server's PING.
func (v *visit) heartbeat(ctx context.Context) {
	const check = "idle connections"
	if v.cfg.Quick {
		v.skip(check, "--quick")
		return
	}
	interval := time.Duration(v.open.PingInterval) * time.Millisecond
	hold := interval + slow
	if v.cfg.Token == "" {
		hold = min(hold, unnamed)
	}
	poll := make(chan string, 1)
	go func() { poll <- v.idlePoll(ctx, hold) }()
	said := v.idleWebSocket(ctx, hold)
	if other := <-poll; said == "" {
		said = other
	}
	switch {
	case said != "":
		v.fail(check, cures["idle"], "%s, before the server's PING, which comes every %v", said, interval)
	case hold < interval:
		v.ok(check, "nothing on the way ends them within %v; with --token they are held until the server's PING after %v", hold, interval)
	default:
		v.ok(check, "nothing on the way ends them before the server's PING after %v", interval)
	}
}

// unnamed is how long a connection is held that is in no namespace: the server
// itself ends it after handshake.timeout, which is 10 s.
const unnamed = 8 * time.Second

func (v *visit) idleWebSocket(ctx context.Context, hold time.Duration) string {
	s, _, err := v.dial(ctx, "")
	if err != nil {
		return "" // said before
	}
	defer func() { _ = s.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	began := v.cfg.Clock()
	if _, err := v.enterOr(s); err != nil {
		return ""
	}
	for {
		text, err := s.next(hold)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "" // nobody ended it
		}
		if err != nil {
			return fmt.Sprintf("an idle WebSocket ended after %v", v.cfg.Clock().Sub(began).Round(100*time.Millisecond))
		}
		if text == "2" {
			return ""
		}
	}
}

// enterOr reads the open packet, and enters the namespace if there is a token:
// the server soon closes a connection that enters none.
func (v *visit) enterOr(s *socket) (string, error) {
	if v.cfg.Token == "" {
		return s.next(5 * time.Second)
	}
	return v.enter(s)
}

func (v *visit) idlePoll(ctx context.Context, hold time.Duration) string {
	o, _, err := v.session(ctx)
	if err != nil || o.SID == "" {
		return ""
	}
	defer v.leave(ctx, o.SID)
	if v.cfg.Token != "" {
		_, _ = v.post(ctx, o.SID, v.connect())
	}
	began := v.cfg.Clock()
	client := *v.client
	client.Timeout = hold
	patient := *v
	patient.client = &client
	for {
		a, err := patient.ask(ctx, http.MethodGet, v.at("polling", o.SID), "", nil)
		switch {
		case isTimeout(err):
			return "" // nobody ended it
		case err != nil && ctx.Err() == nil, err == nil && a.status != http.StatusOK:
			return fmt.Sprintf("an idle poll ended after %v with %s", v.cfg.Clock().Sub(began).Round(100*time.Millisecond), lost(a, err))
		case err != nil, strings.HasPrefix(a.text, "2"), strings.Contains(a.text, "\x1e2"), strings.HasPrefix(a.text, "1"):
			return ""
		}
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
