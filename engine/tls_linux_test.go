package engine

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/wiretest"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

func TestALoopReadsWhatIsUnderTLS(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	for _, transport := range []string{"websocket", "upgrade"} {
		c := r.dial(t, transport)
		s := r.opened.next(t)
		check(t, c.send("hello"))
		if m := s.got.next(t); m.data != "hello" {
			t.Errorf("got %q", m)
		}
		s.mu.Lock()
		read := s.socket().stream
		s.mu.Unlock()
		if _, looped := read.(*tlsStream); !looped {
			t.Errorf("%s: read by a %T", transport, read)
		}
	}
}

// A message may take many records, and a record may hold many messages, in both
// directions.
func TestTLSCarriesMessagesOfAllSizes(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	c := r.dial(t, "websocket")
	s := r.opened.next(t)
	for _, size := range []int{0, 1, 1 << 10, 16 << 10, 16<<10 + 1, 900_000} {
		text := strings.Repeat("x", size)
		sent := make(chan error, 1)
		go func() { sent <- c.send(text, "small") }()
		for _, want := range []string{text, "small"} {
			if m := s.got.next(t); m.data != want {
				t.Fatalf("%d bytes came of %d", len(m.data), len(want))
			}
			check(t, s.Send(NewFrame([]byte(want), nil)))
			if p := must[packet](t)(c.next()); p.data != want {
				t.Fatalf("%d bytes came back of %d", len(p.data), len(want))
			}
		}
		check(t, await(t, sent))
	}
}

// Both sides see a proper end of TLS, whichever of them ends the connection: anybody
// in between could forge the end of the connection below.
func TestTLSIsEndedByBothSides(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	c := r.dial(t, "websocket").(wsClient)
	s := r.opened.next(t)
	s.Session.Close(4000, "over")
	expectEnd(t, c, 4000, "over")
	if _, err := c.In.ReadByte(); err != io.EOF {
		t.Errorf("the connection ended with %v", err)
	}
	leaving := r.dial(t, "websocket").(wsClient)
	s = r.opened.next(t)
	check(t, leaving.Conn.(*tls.Conn).CloseWrite())
	s.end(t, ReasonTransportClose)
}

// recordWriter writes the records of a TLS client by hand (RFC 8446, section 5).
type recordWriter struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newRecordWriter(secret []byte) *recordWriter {
	w := &recordWriter{secret: secret}
	w.rekey()
	return w
}

func (w *recordWriter) rekey() {
	block, _ := aes.NewCipher(expandLabel(w.secret, "key", 16))
	w.aead, _ = cipher.NewGCM(block)
	w.iv = expandLabel(w.secret, "iv", 12)
	w.seq = 0
}

func expandLabel(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, _ := hkdf.Expand(sha256.New, secret, string(info), n)
	return out
}

const (
	recordHandshake   = 22
	recordApplication = 23
)

func (w *recordWriter) seal(kind byte, payload []byte) []byte {
	nonce := bytes.Clone(w.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(w.seq >> (56 - 8*i))
	}
	w.seq++
	inner := append(bytes.Clone(payload), kind)
	head := []byte{recordApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+w.aead.Overhead()))
	return w.aead.Seal(bytes.Clone(head), nonce, inner, head)
}

// update asks the other side for new keys, and changes its own (section 4.6.3).
func (w *recordWriter) update() []byte {
	record := w.seal(recordHandshake, []byte{24, 0, 0, 1, 1})
	w.secret = expandLabel(w.secret, "traffic upd", sha256.Size)
	w.rekey()
	return record
}

// dialByHand opens a WebSocket whose client writes records by hand.
func (r *rig) dialByHand(t *testing.T) (raw *net.TCPConn, w *recordWriter, c wsClient, s *side) {
	t.Helper()
	d := net.Dialer{Control: bufferSize(unix.SO_RCVBUF)}
	conn := must[net.Conn](t)(d.Dial("tcp", r.web.Listener.Addr().String()))
	t.Cleanup(func() { _ = conn.Close() })
	var keys bytes.Buffer
	client := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, // the server is the test's own
		MinVersion:         tls.VersionTLS13, KeyLogWriter: &keys,
	})
	check(t, client.Handshake())
	if suite := client.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("cannot write records of %s", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			w = newRecordWriter(must[[]byte](t)(hex.DecodeString(f[2])))
		}
	}
	raw = conn.(*net.TCPConn)
	_, err := raw.Write(w.seal(recordApplication, []byte(wiretest.Opening(""))))
	check(t, err)
	in := bufio.NewReader(client)
	answer := must[*http.Response](t)(http.ReadResponse(in, nil))
	_ = answer.Body.Close()
	c = byHand(client, in)
	c.expectOpen(t)
	return raw, w, c, r.opened.next(t)
}

func TestTLSRecordsMayBeCutAnywhere(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	raw, w, _, s := r.dialByHand(t)
	text := strings.Repeat("x", 300)
	for _, b := range w.seal(recordApplication, clientFrame(ws.OpText, []byte("4"+text))) {
		_, err := raw.Write([]byte{b})
		check(t, err)
	}
	var together []byte
	for i := range 1000 {
		together = append(together, w.seal(recordApplication, clientFrame(ws.OpText, fmt.Appendf(nil, "4%d", i)))...)
	}
	_, err := raw.Write(together)
	check(t, err)
	if m := s.got.next(t); m.data != text {
		t.Errorf("got %q", m)
	}
	for i := range 1000 {
		if m := s.got.next(t); m.data != fmt.Sprint(i) {
			t.Fatalf("got %q for %d", m, i)
		}
	}
}

func TestEmptyTLSRecordsWithoutEndEndTheConnection(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	raw, w, _, s := r.dialByHand(t)
	for range 100 {
		if _, err := raw.Write(w.seal(recordApplication, nil)); err != nil {
			break // it has ended
		}
	}
	s.end(t, ReasonTransportClose)
}

func TestTLSKeysAreChangedOnTheWay(t *testing.T) {
	r := newRig(t, Config{}, overTLS)
	raw, w, c, s := r.dialByHand(t)
	for i := range 100 {
		_, err := raw.Write(append(w.update(), w.seal(recordApplication, clientFrame(ws.OpText, fmt.Appendf(nil, "4%d", i)))...))
		check(t, err)
		if m := s.got.next(t); m.data != fmt.Sprint(i) {
			t.Fatalf("got %q for %d", m, i)
		}
		check(t, s.Send(NewFrame(fmt.Append(nil, i), nil)))
		if p := must[packet](t)(c.next()); p.data != fmt.Sprint(i) {
			t.Fatalf("%q came back for %d", p, i)
		}
	}
}

func TestAStormOfKeyChangesThatNobodyReadsEndsTheConnection(t *testing.T) {
	r := newRig(t, Config{}, overTLS, onListener(smallBuffers(t)))
	raw, w, _, s := r.dialByHand(t)
	message := clientFrame(ws.OpText, []byte("4"))
	for range 100_000 {
		if _, err := raw.Write(append(w.update(), w.seal(recordApplication, message)...)); err != nil {
			break // it has ended
		}
	}
	c := s.end(t, ReasonTransportClose)
	if c.Err == nil || !strings.Contains(c.Err.Error(), errUnread.Error()) {
		t.Errorf("ended for %v", c.Err)
	}
	s.awaitState(t, func() bool { return r.srv.budget.held.Load() == 0 })
}

// turnstile is a private key whose use waits.
type turnstile struct {
	crypto.Signer
	inside, most atomic.Int32
	pass         chan struct{}
}

func (k *turnstile) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	n := k.inside.Add(1)
	defer k.inside.Add(-1)
	for most := k.most.Load(); n > most && !k.most.CompareAndSwap(most, n); most = k.most.Load() {
	}
	<-k.pass
	return k.Signer.Sign(random, digest, o)
}

// serveTLS serves the rig through ListenTLS, too.
func (r *rig) serveTLS(t *testing.T, curves ...tls.CurveID) (addr string, key *turnstile) {
	t.Helper()
	signer := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer))
	key = &turnstile{Signer: signer, pass: make(chan struct{})}
	ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	web := &http.Server{Handler: r.srv, ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(r.srv.ListenTLS(ln, &tls.Config{
			MinVersion: tls.VersionTLS12, CurvePreferences: curves,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		}))
	}()
	t.Cleanup(func() {
		_ = web.Close()
		<-served
	})
	return ln.Addr().String(), key
}

func handshakeTLS(addr string) error {
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) // the server is the test's own
	if err == nil {
		err = c.Close()
	}
	return err
}

func TestTLSHandshakesTakeTurns(t *testing.T) {
	t.Run("at once", func(t *testing.T) { takeTurns(t) })
	t.Run("asked once more", func(t *testing.T) { takeTurns(t, tls.CurveP384) }) // clients offer another one first
}

func takeTurns(t *testing.T, curves ...tls.CurveID) {
	r := newRig(t, Config{})
	addr, key := r.serveTLS(t, curves...)
	const clients = 16
	done := make(chan error, clients)
	for range clients {
		go func() { done <- handshakeTLS(addr) }()
	}
	for range clients {
		key.pass <- struct{}{}
		check(t, await(t, done))
	}
	if n := key.most.Load(); int(n) > handshakeTurns() {
		t.Errorf("%d handshakes computed at once, %d may", n, handshakeTurns())
	}
}

// A client that has gone waits for no turn, and takes none.
func TestATLSHandshakeOfAClosedConnectionEnds(t *testing.T) {
	turns := make(chan struct{}, 1)
	link := func() *tlsLink {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		return &tlsLink{Conn: ours, turns: turns, gone: make(chan struct{})}
	}
	first, second := link(), link()
	check(t, first.beginHandshake())
	waited := make(chan error)
	go func() { waited <- second.beginHandshake() }()
	check(t, second.Close())
	if err := await(t, waited); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
	check(t, first.Close())
	if err := second.beginHandshake(); !errors.Is(err, net.ErrClosed) || len(turns) != 0 {
		t.Errorf("%v, %d turns are taken", err, len(turns))
	}
}

// A client that stops in the middle of its handshake holds nobody up.
func TestATLSHandshakeThatStopsHoldsNoTurn(t *testing.T) {
	r := newRig(t, Config{})
	addr, key := r.serveTLS(t)
	close(key.pass)
	hello := clientHello(t)
	for range 2 * handshakeTurns() {
		for _, begun := range [][]byte{hello[:len(hello)/2], hello} {
			conn := must[net.Conn](t)(net.Dial("tcp", addr))
			defer func() { _ = conn.Close() }()
			_, err := conn.Write(begun)
			check(t, err)
		}
	}
	check(t, handshakeTLS(addr))
}

// clientHello is how a client begins.
func clientHello(t *testing.T) []byte {
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	go func() {
		_ = tls.Client(theirs, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}).Handshake() // nobody answers
	}()
	b := make([]byte, 4<<10)
	n := must[int](t)(ours.Read(b))
	return b[:n]
}
