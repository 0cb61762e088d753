package server

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
)

const (
	demoTokenLife = 12 * time.Hour
	demoBodyLimit = 1 << 10 // bytes; the longest name, escaped, is below a quarter
	demoNameLimit = 40      // runes
)

// prepareDemo finds what signs the tokens of the demo login.
func (s *Server) prepareDemo() {
	if !s.cfg.Dev {
		return
	}
	var err error
	if s.signer, err = handshake.NewSigner(s.cfg.JWT, nil, nil); err != nil {
		s.signer = nil
		s.log.Warn("the demo login is closed: it has nothing to sign tokens with", slog.Any("error", err))
	}
}

// demoLogin gives a token to anybody who says a name. It exists in dev mode
// only. Pages of foreign origins are kept out, as it hands out tokens.
func (s *Server) demoLogin(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	if !s.allowsOrigin(r) {
		refuse(w, http.StatusForbidden, string(handshake.CodeOriginForbidden), "pages of this origin may not sign in here")
		return
	}
	cors.Allow(w.Header(), r, http.MethodPost)
	switch r.Method {
	case http.MethodPost:
		s.login(w, r)
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use POST here")
	}
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r, demoBodyLimit)
	if !ok {
		return
	}
	name, err := readName(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_name", err.Error())
		return
	}
	s.giveToken(w, name)
}

func (s *Server) giveToken(w http.ResponseWriter, name string) {
	if s.signer == nil {
		refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "the server has no key to sign tokens with")
		return
	}
	token, _, err := s.signer.Sign(handshake.TokenSpec{
		Subject: name, TTL: demoTokenLife, Claims: map[string]any{"name": name},
	})
	if err != nil {
		s.log.Error("demo login failed", slog.Any("error", err))
		refuse(w, http.StatusInternalServerError, string(handshake.CodeUnavailable), "the token could not be made")
		return
	}
	answer(w, http.StatusOK, map[string]string{"token": token})
}

// readName takes the name out of {"name": …}. Its errors are sentences for the
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
	// Format characters (category Cf) include the ones that turn the direction
	// of text or show nothing, which let one name pass for another. The joiners
	// are left in: emoji and several scripts are written with them.
	for _, r := range name {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return "", errors.New("a name has no control characters")
		}
	}
	return name, nil
}
