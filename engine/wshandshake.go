package engine

import (
	"bytes"
	"crypto/sha1" // RFC 6455 asks for SHA-1; nothing is secured by it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// acceptGUID is the fixed part of Sec-WebSocket-Accept (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

var errNoWebSocket = errors.New("no WebSocket handshake")

// hijacked is a connection that has asked to be a WebSocket.
type hijacked struct {
	conn   net.Conn // nil: socket
	socket int
	answer []byte // to be written first
	early  []byte // what came behind the request

	deflate agreement
	base64  bool // binary messages go out as text
}

// framing is the framing of the frames that go out.
func (t *hijacked) framing() framing {
	switch {
	case t.base64:
		return frameBase64
	case t.deflate.on:
		return frameDeflated
	}
	return frameWebSocket
}

// hijack checks the WebSocket handshake of r (RFC 6455, section 4.2) and takes
// its connection. When it fails, r has been answered.
func (srv *Server) hijack(w http.ResponseWriter, r *http.Request) (*hijacked, error) {
	base64 := wantsBase64(r)
	var deflate agreement
	if !base64 {
		deflate = srv.cfg.Deflate.agree(r.Header)
	}
	answer, err := srv.webSocketAnswer(w, r, deflate.answer)
	if err != nil {
		srv.refuse(w, r, codeBadRequest)
		return nil, err
	}
	if h, ok := w.(*bareResponse); ok {
		return &hijacked{socket: h.take(), answer: answer, deflate: deflate, base64: base64}, nil
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		srv.unhijackable.Do(func() {
			srv.cfg.Logger.Warn("WebSocket handshakes are refused: the connection cannot be taken over; "+
				"a handler around the engine must give its http.ResponseWriter an Unwrap method (see http.ResponseController)",
				slog.String("responseWriter", fmt.Sprintf("%T", w)), slog.Any("error", err))
		})
		srv.refuse(w, r, codeBadRequest)
		return nil, fmt.Errorf("take the connection over: %w", err)
	}
	t := &hijacked{conn: conn, answer: answer, deflate: deflate, base64: base64}
	if n := rw.Reader.Buffered(); n > 0 {
		peeked, _ := rw.Reader.Peek(n)
		t.early = append(t.early, peeked...)
	}
	return t, nil
}

// wantsBase64 reports whether the client cannot take binary messages: b64 in the
// query has any value, as for Node's server.
func wantsBase64(r *http.Request) bool {
	return Parameter(r, "b64") != ""
}

// respond writes the answer and the frames that go out with it. A new connection
// has room for all of that: when it does not take everything, that is a failure.
func (c *websocket) respond(b []byte) error {
	if hidden, ok := c.stream.(*goStream); ok && hidden.raw == nil {
		return c.respondNow(hidden.conn, b)
	}
	n, err := c.stream.tryWrite(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// respondNow writes at once, where tryWrite under TLS would leave it to a
// goroutine. A client that has the answer may send its probe before that
// goroutine is done, and the answer to the probe would find no room.
func (c *websocket) respondNow(conn net.Conn, b []byte) error {
	_ = conn.SetWriteDeadline(time.Now().Add(c.s.srv.answerTimeout))
	_, err := conn.Write(b)
	_ = conn.SetWriteDeadline(time.Time{})
	return err
}

// webSocketAnswer checks the handshake and makes the head of the answer. It
// leaves out header fields that are set on w already, such as those for CORS: a
// WebSocket ignores them.
func (srv *Server) webSocketAnswer(w http.ResponseWriter, r *http.Request, extension string) ([]byte, error) {
	key := r.Header.Get("Sec-Websocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case r.Method != http.MethodGet, r.ProtoMajor != 1, r.ProtoMinor < 1:
		return nil, errNoWebSocket
	case !hasToken(r.Header.Values("Connection"), "upgrade"):
		return nil, errNoWebSocket
	case err != nil || len(raw) != 16:
		return nil, fmt.Errorf("%w: bad key", errNoWebSocket)
	case r.Header.Get("Sec-Websocket-Version") != "13":
		w.Header().Set("Sec-Websocket-Version", "13") // section 4.4: what we do speak
		return nil, fmt.Errorf("%w: unknown version", errNoWebSocket)
	}
	protocol := ""
	if srv.cfg.Subprotocol != nil {
		if protocol, err = srv.cfg.Subprotocol(r); err != nil {
			return nil, err
		}
	}
	return appendAnswer(make([]byte, 0, answerBytes), key, protocol, extension, srv.moreHeaders(r)), nil
}

// ownHeaders are the header fields of the answer that nobody else may set.
var ownHeaders = map[string]bool{
	"Upgrade": true, "Connection": true, "Content-Length": true, "Transfer-Encoding": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
}

// moreHeaders are the lines that Config.Headers adds to the answer of r.
func (srv *Server) moreHeaders(r *http.Request) []byte {
	if srv.cfg.Headers == nil {
		return nil
	}
	h := http.Header{}
	srv.cfg.Headers(h, r)
	var b bytes.Buffer
	_ = h.WriteSubset(&b, ownHeaders) // into memory; line breaks in values become spaces
	return b.Bytes()
}

// answerBytes is room enough for an answer and a first packet, in bytes.
const answerBytes = 384

func appendAnswer(b []byte, key, protocol, extension string, more []byte) []byte {
	sum := sha1.Sum([]byte(key + acceptGUID)) // see the import
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	if protocol != "" {
		b = append(append(b, "\r\nSec-WebSocket-Protocol: "...), protocol...)
	}
	if extension != "" {
		b = append(append(b, "\r\nSec-WebSocket-Extensions: "...), extension...)
	}
	b = append(append(b, "\r\n"...), more...)
	return append(b, "\r\n"...)
}

// hasToken looks for a word in a header that is a list (RFC 9110, section
// 5.6.1), whatever its case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}
