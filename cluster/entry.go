package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// entry is an entry of a stream. The first four fields are those of Node's adapter; the others are ours, and Node
// ignores them.
type entry struct {
	id        string
	uid       string
	namespace string // empty on a mark, which Node skips
	kind      int
	data      string
	version   int    // version of its form; 0 on entries of Node's servers
	number    uint64 // 0 on entries of Node's servers, and on entries of scripts, see shared.go
	at        int64  // milliseconds since 1970; on signed entries
}

const (
	maxUID   = 64
	maxEntry = 32 << 20 // bytes of data
)

// signer signs messages between nodes (security requirement 29).
type signer struct{ secret []byte }

// on reports whether there is a secret.
func (s signer) on() bool { return len(s.secret) > 0 }

// sign returns an HMAC over all parts and their purpose. Lengths keep the parts apart.
func (s signer) sign(purpose string, parts ...string) []byte {
	mac := hmac.New(sha256.New, s.secret)
	var length [8]byte
	for _, part := range append([]string{purpose}, parts...) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

func (e *entry) sign(s signer, stream string) string {
	return base64.RawURLEncoding.EncodeToString(s.sign("entry "+stream, e.uid, e.namespace, strconv.Itoa(e.kind), e.data,
		strconv.Itoa(e.version), strconv.FormatUint(e.number, 10), strconv.FormatInt(e.at, 10)))
}

// fields are the entry as XADD takes it.
func (e *entry) fields(s signer, stream string, now time.Time) []string {
	f := []string{"uid", e.uid, "nsp", e.namespace, "type", strconv.Itoa(e.kind)}
	if e.namespace == "" {
		f = []string{"uid", e.uid}
	} else {
		f = append(f, "data", e.data)
	}
	e.version = formVersion
	f = append(f, "v", strconv.Itoa(e.version))
	if e.number > 0 {
		f = append(f, "n", strconv.FormatUint(e.number, 10))
	}
	if s.on() {
		e.at = now.UnixMilli()
		f = append(f, "at", strconv.FormatInt(e.at, 10), "sig", e.sign(s, stream))
	}
	return f
}

// parseEntry reads the fields of an entry. With a secret, an entry without a valid signature is an error.
func parseEntry(id string, fields map[string]string, s signer, stream string) (entry, error) {
	e := entry{id: id, uid: fields["uid"], namespace: fields["nsp"], data: fields["data"]}
	if e.uid == "" || len(e.uid) > maxUID || len(e.namespace) > maxNamespace || len(e.data) > maxEntry {
		return e, errMessage
	}
	var err error
	if kind, ok := fields["type"]; ok {
		if e.kind, err = strconv.Atoi(kind); err != nil {
			return e, errMessage
		}
	}
	if n, ok := fields["n"]; ok {
		if e.number, err = strconv.ParseUint(n, 10, 64); err != nil || e.number == 0 {
			return e, errMessage
		}
	}
	if v, ok := fields["v"]; ok {
		if e.version, err = strconv.Atoi(v); err != nil || e.version < 0 {
			return e, errMessage
		}
	}
	if e.namespace == "" && e.number == 0 {
		return e, errMessage
	}
	if !s.on() {
		return e, nil
	}
	if e.at, err = strconv.ParseInt(fields["at"], 10, 64); err != nil {
		return e, errUnsigned
	}
	if !hmac.Equal([]byte(e.sign(s, stream)), []byte(fields["sig"])) {
		return e, errUnsigned
	}
	return e, nil
}

const maxNamespace = 256

var errUnsigned = fmt.Errorf("cluster: not signed with cluster.secret: %w", errMessage)
