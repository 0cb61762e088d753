package dev

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/handshake"
	"gatehouse/internal/cors"
	"gatehouse/internal/smalljson"
	"gatehouse/server/internal/reply"
)

const (
	demoTokenLife = 12 * time.Hour
	demoBodyLimit = 1 << 10 // in bytes; the longest name, escaped, takes less than a quarter of this
	demoNameLimit = 40      // runes
)

// Login gives a token to anybody who sends a name. Pages of foreign origins are kept out, as it hands out
// tokens.
func (e *Endpoints) Login(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	if !e.AllowsOrigin(r) {
		reply.Refuse(w, http.StatusForbidden, string(handshake.CodeOriginForbidden), "pages of this origin may not sign in here")
		return
	}
	cors.Allow(w.Header(), r, http.MethodPost)
	switch r.Method {
	case http.MethodPost:
		e.login(w, r)
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		reply.Refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use POST here")
	}
}

func (e *Endpoints) login(w http.ResponseWriter, r *http.Request) {
	body, ok := reply.Body(w, r, demoBodyLimit)
	if !ok {
		return
	}
	name, err := readName(body)
	if err != nil {
		reply.Refuse(w, http.StatusBadRequest, "invalid_name", err.Error())
		return
	}
	e.giveToken(w, name)
}

func (e *Endpoints) giveToken(w http.ResponseWriter, name string) {
	if e.Signer == nil {
		reply.Refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "the server has no key to sign tokens with")
		return
	}
	token, _, err := e.Signer.Sign(handshake.TokenSpec{
		Subject: name, TTL: demoTokenLife, Claims: map[string]any{"name": name},
	})
	if err != nil {
		e.Log.Error("demo login failed", slog.Any("error", err))
		reply.Refuse(w, http.StatusInternalServerError, string(handshake.CodeUnavailable), "the token could not be made")
		return
	}
	reply.JSON(w, http.StatusOK, map[string]string{"token": token})
}

// readName returns the name in {"name": …}. Its errors are sentences for the
// person who signs in.
func readName(body []byte) (string, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := smalljson.Decode(body, &in, 0); err != nil {
		return "", fmt.Errorf(`send an object such as {"name": "Ada"}: %w`, err)
	}
	return checkName(in.Name)
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return "", errors.New("say a name")
	case n > demoNameLimit:
		return "", fmt.Errorf("a name has at most %d characters", demoNameLimit)
	}
	// Format characters (category Cf) include the ones that turn the direction of text or show nothing,
	// which let one name pass for another. Joiners are allowed: emoji and several scripts are written with
	// them.
	for _, r := range name {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return "", errors.New("a name has no control characters")
		}
	}
	return name, nil
}
