package handshake

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// passwordHash compares a password with a stored hash.
type passwordHash interface {
	matches(password string) bool
}

// parsePasswordHash reads a bcrypt hash, or an argon2id hash as its reference
// tool writes it.
func parsePasswordHash(text string) (passwordHash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		return parseArgon2(text)
	}
	if cost, err := bcrypt.Cost([]byte(text)); err == nil {
		if cost < 10 {
			return nil, fmt.Errorf("bcrypt with cost %d; use at least 10", cost)
		}
		return bcryptHash(text), nil
	}
	return nil, errors.New(`not a bcrypt or argon2id hash; make one with "htpasswd -nBC 12 NAME"`)
}

type bcryptHash string

// bcrypt ignores what follows 72 bytes, so longer passwords match nothing.
func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil && len(password) <= 72
}

type argon2Hash struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

const (
	maxArgonMemory = 256 << 10 // KiB
	minArgonMemory = 7 << 10   // KiB
	maxArgonTime   = 16
)

func parseArgon2(text string) (passwordHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, errors.New("argon2id hash not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	var h argon2Hash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return nil, fmt.Errorf("argon2id parameters: %w", err)
	}
	if h.memory < minArgonMemory || h.memory > maxArgonMemory || h.time < 1 || h.time > maxArgonTime || h.threads < 1 {
		return nil, fmt.Errorf("argon2id with m=%d,t=%d,p=%d; use m of %d to %d, t of 1 to %d", h.memory, h.time, h.threads, minArgonMemory, maxArgonMemory, maxArgonTime)
	}
	var err, err2 error
	h.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || err2 != nil || len(h.salt) < 8 || len(h.sum) < 16 || len(h.sum) > 64 {
		return nil, errors.New("argon2id salt or hash cannot be read")
	}
	return h, nil
}

func (h argon2Hash) matches(password string) bool {
	sum := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}
