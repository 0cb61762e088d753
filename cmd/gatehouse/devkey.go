package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// devKeyBytes is how much randomness a dev key holds; as base64 it has 64
// characters, enough for HS512.
const devKeyBytes = 48

// errNoStateDir says that the environment names no place to keep a dev key.
var errNoStateDir = errors.New("neither XDG_STATE_HOME nor HOME is set")

// stateDir is Gatehouse's directory within the user's state, as the XDG Base
// Directory Specification places it.
func stateDir(e environment) (string, error) {
	if dir := e.value("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gatehouse"), nil
	}
	if home := e.value("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "gatehouse"), nil
	}
	return "", errNoStateDir
}

// keptDevKey returns the key in dir, and makes one when there is none. When
// several processes start at once, one makes the key and all use it.
func keptDevKey(dir string, random io.Reader) (string, error) {
	path := filepath.Join(dir, "dev.key")
	key, err := readDevKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep the dev key: %w", err)
	}
	if err := writeDevKey(path, random); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep the dev key: %w", err)
	}
	return readDevKey(path)
}

func newDevKey(random io.Reader) (string, error) {
	raw := make([]byte, devKeyBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("make a dev key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// writeDevKey makes the file whole or not at all: a link to a finished file
// appears at once, and fails when another process was first.
func writeDevKey(path string, random io.Reader) error {
	key, err := newDevKey(random)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dev.key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(key + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// readDevKey returns the key of a file that only its owner can read.
func readDevKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the dev key: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the dev key: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return "", fmt.Errorf("dev key %s has mode %04o, so others may have read it: remove the file and a new key is made", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("read the dev key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != devKeyBytes {
		return "", fmt.Errorf("dev key %s is damaged: remove the file and a new key is made", path)
	}
	return key, nil
}
