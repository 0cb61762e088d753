package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"syscall"
)

// event matches a request of the chat: namespace, id, name, payload.
var event = regexp.MustCompile(`^42(/\w+),(\d+)\["([\w:]+)",(.*)\]$`)

// serve speaks with one client until it goes. Its file descriptor is the room's
// until the process ends: nobody leaves while a floor is measured.
func (r *room) serve(conn *net.TCPConn) error {
	in := bufio.NewReader(conn)
	req, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if _, err := conn.Write(frame(`0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)); err != nil {
		return err
	}
	fd, err := descriptor(conn)
	if err != nil {
		return err
	}
	for {
		text, err := read(in)
		if err != nil || text == nil {
			return err
		}
		answer, err := r.packet(fd, text)
		if err != nil {
			return err
		}
		if answer != "" {
			if _, err := conn.Write(frame(answer)); err != nil {
				return err
			}
		}
	}
}

// descriptor returns the file descriptor of a connection that stays open.
func descriptor(conn *net.TCPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := 0
	err = raw.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// packet does what a packet asks for and gives the answer to it.
func (r *room) packet(fd int, text []byte) (string, error) {
	if bytes.HasPrefix(text, []byte("40/chat,")) {
		return `40/chat,{"sid":"x"}`, nil
	}
	m := event.FindSubmatch(text)
	if m == nil {
		return "", nil
	}
	switch string(m[3]) {
	case "room:join":
		r.join(fd)
	case "message:send":
		// The chat's event for a message, of the usual length.
		body := bytes.TrimPrefix(m[4], []byte("{"))
		if err := r.say(frame(`42/chat,["message",{"id":"1","from":"user-1","name":"user-1","at":1700000000000,` + string(body) + `]`)); err != nil {
			return "", err
		}
	}
	return "43" + string(m[1]) + "," + string(m[2]) + `[{"ok":true,"count":1}]`, nil
}

// read returns the payload of one masked frame, nil at a closing frame.
func read(in *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, nil //nolint:nilerr // the client is gone
	}
	size := int(head[1] & 0x7f)
	if size == 126 {
		var wide [2]byte
		if _, err := io.ReadFull(in, wide[:]); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(wide[:]))
	}
	body := make([]byte, 4+size)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	key, text := body[:4], body[4:]
	for i := range text {
		text[i] ^= key[i&3]
	}
	if head[0]&0x0f == 8 {
		return nil, nil
	}
	return text, nil
}

// frame returns a text frame of a server.
func frame(text string) []byte {
	b := []byte{0x81}
	if len(text) < 126 {
		b = append(b, byte(len(text)))
	} else {
		b = append(b, 126)
		b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	}
	return append(b, text...)
}

// writeAll writes the frame to all members, one after the other.
func writeAll(members []int, frame []byte) error {
	for _, fd := range members {
		n, err := syscall.Write(fd, frame)
		if err != nil || n < len(frame) {
			return errShort(fd, n, err)
		}
	}
	return nil
}

// errShort ends the measurement: what has no room for a frame is no floor.
func errShort(fd, n int, err error) error {
	return fmt.Errorf("%s bytes of a frame written to %d: %w", strconv.Itoa(n), fd, err)
}
