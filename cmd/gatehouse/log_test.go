package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// built is the program as users have it: the effect of signals cannot be
// tested in the test's own process.
func built(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gatehouse")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// served waits until the server answers.
func served(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the server does not answer")
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func TestALogThatNobodyReadsEndsNothing(t *testing.T) {
	program := built(t)
	for name, prepare := range map[string]func(r, w *os.File) error{
		"the reader has stopped": func(_, w *os.File) error {
			raw, err := w.SyscallConn()
			if err != nil {
				return err
			}
			return raw.Write(func(fd uintptr) bool { // until the pipe is full: the next line would wait
				for filled := false; !filled; {
					_, err := syscall.Write(int(fd), bytes.Repeat([]byte("x"), 4096))
					filled = err != nil
				}
				return true
			})
		},
		"the reader is gone": func(r, _ *os.File) error { return r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = r.Close(), w.Close() }()
			if err := prepare(r, w); err != nil {
				t.Fatal(err)
			}
			addr := freeAddr(t)
			cmd := exec.CommandContext(t.Context(), program, "serve", "--addr", addr)
			cmd.Env = append(os.Environ(), "GATEHOUSE_LOG_LEVEL=debug", "GATEHOUSE_JWT_HMAC_SECRET="+testSecret)
			cmd.Stderr = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			served(t, addr)
			for range 20 {
				if reply := enter(t, addr, "/chat", "no token"); !strings.Contains(reply, "token_invalid") {
					t.Fatalf("the reply is %q", reply)
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("SIGTERM: %v", err)
			}
		})
	}
}
