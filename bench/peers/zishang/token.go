package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// user is who a token speaks for.
type user struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Exp  int64  `json:"exp"`
}

var errToken = errors.New("the token is not valid")

// admit lets in nobody without a valid HS256 token.
func admit(secret []byte) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		auth, _ := any(s.Handshake().Auth).(map[string]any) // any in version 2, a map in version 3
		token, _ := auth["token"].(string)
		u, err := verify(secret, token)
		if err != nil {
			next(socket.NewExtendedError(err.Error(), map[string]any{"code": "token_invalid"}))
			return
		}
		s.SetData(u)
		next(nil)
	}
}

func verify(secret []byte, token string) (*user, error) {
	end := strings.LastIndexByte(token, '.')
	if end < 0 {
		return nil, errToken
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(token[:end]))
	given, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, errToken
	}
	head, body, _ := strings.Cut(token[:end], ".")
	var alg struct{ Alg string }
	var u user
	if decode(head, &alg) != nil || alg.Alg != "HS256" || decode(body, &u) != nil || u.Exp <= time.Now().Unix() {
		return nil, errToken
	}
	if u.Name == "" {
		u.Name = u.Sub
	}
	return &u, nil
}

func decode(part string, v any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}
