package handshake

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// SubprotocolConfig is about tokens in Sec-WebSocket-Protocol, the one header
// that a browser's WebSocket can set.
type SubprotocolConfig struct {
	// Forms are kubernetes, appsync and plain; empty is kubernetes, appsync.
	Forms []string `koanf:"forms" yaml:"forms"`
	// Prefix and Domain make the Kubernetes form
	// <prefix>base64url.bearer.authorization.<domain>.<token>. An empty domain
	// is gatehouse.
	Prefix string `koanf:"prefix" yaml:"prefix"`
	Domain string `koanf:"domain" yaml:"domain"`
	// Plain is the protocol of the plain pair ["<protocol>", "<token>"].
	Plain string `koanf:"plain" yaml:"plain"`
	// Supported are the protocols that may be selected; empty is any that a
	// client offers beside its token.
	Supported []string `koanf:"supported" yaml:"supported"`
}

func (c SubprotocolConfig) withDefaults() SubprotocolConfig {
	c.Forms = orList(c.Forms, formKubernetes, formAppSync)
	c.Domain = cmp.Or(c.Domain, "gatehouse")
	return c
}

const (
	formKubernetes = "kubernetes"
	formAppSync    = "appsync"
	formPlain      = "plain"

	appSyncPrefix    = "header-"
	maxOffered       = 16 // protocols in one request
	maxProtocolBytes = 64 // longest protocol that may be selected; longer ones look like tokens
)

// subprotocols reads offers of protocols. It is immutable.
type subprotocols struct {
	prefix    string // the whole prefix of the Kubernetes form; empty when off
	appSync   bool
	plain     string // empty when off
	supported []string
}

func newSubprotocols(cfg SubprotocolConfig) (*subprotocols, error) {
	s := &subprotocols{supported: cfg.Supported}
	for _, form := range cfg.Forms {
		switch form {
		case formKubernetes:
			s.prefix = cfg.Prefix + "base64url.bearer.authorization." + cfg.Domain + "."
		case formAppSync:
			s.appSync = true
		case formPlain:
			s.plain = cfg.Plain
		default:
			return nil, fmt.Errorf("subprotocol.forms: %q is no form; there are kubernetes, appsync and plain", form)
		}
	}
	if slices.Contains(cfg.Forms, formPlain) && !isProtocolName(cfg.Plain) {
		return nil, fmt.Errorf("subprotocol.plain: %q is no protocol name; set the name that clients put before the token", cfg.Plain)
	}
	if s.prefix != "" && !isHeaderToken(s.prefix) {
		return nil, errors.New("subprotocol.prefix, subprotocol.domain: hold characters that a protocol cannot have")
	}
	return s, nil
}

// read parses an offer into its token, if any, and the other protocols. lines
// are all Sec-WebSocket-Protocol headers as they came.
func (s *subprotocols) read(lines []string) (token Secret, others []string, err error) {
	offered, err := splitOffer(lines)
	if err != nil {
		return "", nil, err
	}
	if s.plain != "" && len(offered) == 2 && offered[0] == s.plain && offered[1] != s.plain && !s.marked(offered[1]) {
		return Secret(offered[1]), offered[:1], nil
	}
	found := 0
	for _, entry := range offered {
		if !s.marked(entry) {
			others = append(others, entry)
			continue
		}
		found++
		if token, err = s.decode(entry); err != nil {
			return "", nil, err
		}
	}
	switch {
	case found > 1:
		return "", nil, protocolRefusal("Offer one token in Sec-WebSocket-Protocol.", "several tokens offered")
	case found == 1 && len(others) == 0:
		return "", nil, protocolRefusal("Offer another protocol beside the token, for the answer to select.", "token offered alone")
	}
	return token, others, nil
}

func splitOffer(lines []string) ([]string, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	entries := strings.Split(strings.Join(lines, ","), ",")
	if len(entries) > maxOffered {
		return nil, protocolRefusal("Offer fewer protocols.", "too many protocols offered")
	}
	for i, entry := range entries {
		entries[i] = strings.Trim(entry, " \t")
		if !isHeaderToken(entries[i]) {
			return nil, protocolRefusal("Sec-WebSocket-Protocol cannot be read.", "malformed protocol list")
		}
	}
	return entries, nil
}

func (s *subprotocols) marked(entry string) bool {
	return s.prefix != "" && strings.HasPrefix(entry, s.prefix) || s.appSync && strings.HasPrefix(entry, appSyncPrefix)
}

func (s *subprotocols) decode(entry string) (Secret, error) {
	if rest, ok := strings.CutPrefix(entry, s.prefix); ok && s.prefix != "" {
		text, err := decodeStrictly(rest)
		return Secret(text), err
	}
	text, err := decodeStrictly(strings.TrimPrefix(entry, appSyncPrefix))
	if err != nil {
		return "", err
	}
	return appSyncToken(text)
}

func decodeStrictly(encoded string) (string, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(text) == 0 || !utf8.Valid(text) {
		return "", protocolRefusal("The token in Sec-WebSocket-Protocol must be base64url without padding.", "token is not unpadded base64url of UTF-8 text")
	}
	return string(text), nil
}

func appSyncToken(text string) (Secret, error) {
	var header struct{ Authorization string }
	if err := json.Unmarshal([]byte(text), &header); err != nil || header.Authorization == "" {
		return "", protocolRefusal(`The header in Sec-WebSocket-Protocol must be {"Authorization": "…"}.`, "appsync header is not an object with Authorization")
	}
	if token, ok := strings.CutPrefix(header.Authorization, "Bearer "); ok {
		return Secret(token), nil
	}
	return Secret(header.Authorization), nil
}

// choose returns the first of the other protocols that can be answered with.
// A protocol that looks like a token is never answered, also when its form is not switched on.
func (s *subprotocols) choose(others []string) (string, error) {
	for _, name := range others {
		if len(s.supported) > 0 && slices.Contains(s.supported, name) || len(s.supported) == 0 && isProtocolName(name) {
			return name, nil
		}
	}
	return "", protocolRefusal("None of the protocols that you offer is spoken here.", "no protocol to select")
}

// isProtocolName tells names from tokens.
func isProtocolName(name string) bool {
	return isHeaderToken(name) && len(name) <= maxProtocolBytes && !strings.Contains(name, "bearer.authorization.") &&
		!strings.HasPrefix(name, appSyncPrefix) && !strings.HasPrefix(name, "eyJ")
}

// isHeaderToken reports whether s is a token of RFC 9110, section 5.6.2.
func isHeaderToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func protocolRefusal(message, cause string) *Refusal {
	return refuse(CodeTokenInvalid, message, errors.New("subprotocol: "+cause))
}

// Extract reads a token that came with the WebSocket request which opened the
// session. Polling requests have no protocols.
func (s *subprotocols) Extract(r *Request) (Credential, error) {
	if r.Transport != "websocket" {
		return Credential{}, ErrNotMine
	}
	token, _, err := s.read(r.Header["Sec-Websocket-Protocol"])
	if err != nil {
		return Credential{}, err
	}
	if token == "" {
		return Credential{}, ErrNotMine
	}
	return Credential{Kind: KindToken, Secret: token}, nil
}

// SelectSubprotocol answers an offer of WebSocket protocols: lines are all Sec-WebSocket-Protocol headers as
// they came. selected is one that the client offered and is never the token; it is empty when nothing was
// offered. The gate finds the token in the offer by itself. An error is a [*Refusal]: the upgrade must be
// refused then, because browsers close a connection whose answer selects nothing.
func (g *Gate) SelectSubprotocol(lines []string) (selected string, err error) {
	_, others, err := g.subprotocols.read(lines)
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return g.subprotocols.choose(others)
}
