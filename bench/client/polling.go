package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const separator = 0x1e // between packets of one payload, Engine.IO 4

var errHTTP = errors.New("HTTP response not understood")

// polling carries packets in bodies of HTTP: a GET that always waits, and on a
// connection of its own one POST at a time.
type polling struct {
	conn    *Conn
	sid     string
	gets    *link
	posts   *link  // opened when there is something to send
	pending []byte // packets that wait for the POST before them
	posted  bool   // a POST is on its way
	left    bool   // the end is to be said, or was
}

func openPolling(c *Conn) error {
	p := &polling{conn: c}
	c.transport = p
	var err error
	if p.gets, err = c.loop.open(c.cfg.Addr, c.cfg.TLS, p); err != nil {
		return err
	}
	p.get()
	return nil
}

// request returns the head of a request.
func (p *polling) request(method string) []byte {
	b := append([]byte(method), " /socket.io/?EIO=4&transport=polling"...)
	if p.sid != "" {
		b = append(append(b, "&sid="...), p.sid...)
	}
	return append(append(append(b, " HTTP/1.1\r\nHost: "...), p.conn.cfg.Addr.String()...), "\r\n"...)
}

func (p *polling) get() { p.gets.write(append(p.request(http.MethodGet), "\r\n"...)) }

func (p *polling) put(packet []byte) {
	if len(p.pending) > 0 {
		p.pending = append(p.pending, separator)
	}
	p.pending = append(p.pending, packet...)
}

func (p *polling) flush() {
	if p.posted || len(p.pending) == 0 || p.conn.ended {
		return
	}
	if p.posts == nil {
		var err error
		if p.posts, err = p.conn.loop.open(p.conn.cfg.Addr, p.conn.cfg.TLS, p); err != nil {
			p.conn.end(err)
			return
		}
	}
	b := append(p.request(http.MethodPost), "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(p.pending)), 10)
	b = append(append(b, "\r\n\r\n"...), p.pending...)
	p.pending, p.posted = p.pending[:0], true
	p.posts.write(b)
}

func (p *polling) waiting() int { return len(p.pending) }

func (p *polling) leave() {
	p.left = true
	p.put([]byte{'1'})
	p.flush()
}

func (p *polling) drop() {
	p.gets.drop()
	p.posts.drop()
}

func (p *polling) room() {} // put waits for the POST, not for room

// broken ends the session, unless the server has closed the connection of POSTs
// because nothing was sent for a while.
func (p *polling) broken(k *link, err error) {
	if k == p.posts && !p.posted {
		p.posts = nil
		return
	}
	p.conn.end(err)
}

func (p *polling) feed(k *link, b []byte) ([]byte, error) {
	for len(b) > 0 && k.fd >= 0 {
		body, size, err := parseResponse(b)
		if err != nil || size == 0 {
			return b, err
		}
		if k == p.posts {
			p.posted = false
			p.flush()
		} else if err := p.payload(body); err != nil {
			return nil, err
		}
		b = b[size:]
	}
	return nil, nil
}

// payload handles the packets of one GET and asks for the next.
func (p *polling) payload(body []byte) error {
	for packet := range bytes.SplitSeq(body, []byte{separator}) {
		if p.sid == "" {
			_, after, _ := bytes.Cut(packet, []byte(`"sid":"`))
			sid, _, _ := bytes.Cut(after, []byte{'"'})
			p.sid = string(sid)
		}
		if err := p.conn.cfg.Protocol.packet(p.conn, packet); err != nil {
			return err
		}
	}
	switch {
	case p.left:
		return io.EOF
	case !p.conn.ended:
		p.get()
	}
	return nil
}

// parseResponse returns the body of a response and its size with the head, 0 when
// it is not complete. A body has a length or comes in chunks.
func parseResponse(b []byte) (body []byte, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	head := string(b[:end])
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		return nil, 0, fmt.Errorf("%w: %.80q", errHTTP, b)
	}
	end += 4
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Content-Length") {
			length, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil || length < 0 {
				return nil, 0, fmt.Errorf("%w: length %q", errHTTP, value)
			}
			if len(b) < end+length {
				return nil, 0, nil
			}
			return b[end : end+length], end + length, nil
		}
	}
	return parseChunks(b, end)
}

func parseChunks(b []byte, at int) (body []byte, size int, err error) {
	for {
		line := bytes.Index(b[at:], []byte("\r\n"))
		if line < 0 {
			return nil, 0, nil
		}
		length, err := strconv.ParseInt(string(b[at:at+line]), 16, 32)
		if err != nil || length < 0 {
			return nil, 0, fmt.Errorf("%w: chunk %.40q", errHTTP, b[at:])
		}
		at += line + 2
		if len(b) < at+int(length)+2 {
			return nil, 0, nil
		}
		body = append(body, b[at:at+int(length)]...)
		at += int(length) + 2
		if length == 0 {
			return body, at, nil
		}
	}
}
