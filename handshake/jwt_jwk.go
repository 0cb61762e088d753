package handshake

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// parsedSet holds the usable keys of a key set.
type parsedSet struct {
	keys     []namedKey
	kids     map[string]bool  // number of all keys, those for other purposes included
	unusable map[keyID]string // signing keys that cannot be used → why
}

type namedKey struct {
	kid string
	verificationKey
}

// keyID names a key of a set: by kid and, because there may be none, by its
// place.
type keyID struct {
	kid    string
	number int
}

const (
	maxKeys  = 100 // of a set
	maxTried = 8   // keys that one token is tried with
)

// parseKeySet returns the public signing keys of a set. It skips keys for other
// uses, and symmetric keys, which must not stand in a published set.
func parseKeySet(raw []byte, algorithm string) (parsedSet, error) {
	var listed struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &listed); err != nil {
		return parsedSet{}, errors.New("not a JSON Web Key Set")
	}
	if len(listed.Keys) > maxKeys {
		return parsedSet{}, fmt.Errorf("%d keys; at most %d are read", len(listed.Keys), maxKeys)
	}
	set := parsedSet{kids: make(map[string]bool), unusable: make(map[keyID]string)}
	for i, one := range listed.Keys {
		key, forSigning, err := parseJWK(one, algorithm)
		set.kids[key.kid] = true
		switch {
		case err != nil && forSigning:
			set.unusable[keyID{key.kid, i}] = err.Error()
		case err == nil && forSigning:
			set.keys = append(set.keys, key)
		}
	}
	if len(set.keys) == 0 {
		return parsedSet{}, errors.New("no public signing key in the set")
	}
	return set, nil
}

// parseJWK reads one key. It does not fetch a certificate's address (x5u).
func parseJWK(raw json.RawMessage, algorithm string) (key namedKey, forSigning bool, err error) {
	var said struct {
		KID    string   `json:"kid"`
		USE    string   `json:"use"`
		ALG    string   `json:"alg"`
		KEYOPS []string `json:"key_ops"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return namedKey{}, true, errors.New("not a JSON Web Key")
	}
	key.kid = said.KID
	if said.USE != "" && said.USE != string(jwkset.UseSig) || len(said.KEYOPS) > 0 && !slices.Contains(said.KEYOPS, string(jwkset.KeyOpsVerify)) {
		return key, false, nil
	}
	jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return key, true, errors.New("cannot be read as a public key")
	}
	if said.ALG != "" {
		algorithm = said.ALG
	}
	method, err := methodFor(jwk.Key(), algorithm)
	if err != nil && said.ALG == "" {
		method, err = methodFor(jwk.Key(), "") // the set holds keys of other types too
	}
	key.verificationKey = verificationKey{method: method, key: jwk.Key()}
	return key, true, err
}

// lookUp returns the keys of a kid, or of every kid where a token names none,
// that are for the algorithm. A key that is listed twice counts once.
func (s parsedSet) lookUp(kid, alg string) ([]verificationKey, error) {
	var found []verificationKey
	for _, key := range s.keys {
		if kid != "" && key.kid != kid {
			continue
		}
		if key.method.Alg() == alg && !slices.ContainsFunc(found, key.same) {
			found = append(found, key.verificationKey)
		}
	}
	switch {
	case kid != "" && !s.kids[kid]:
		return nil, errUnknownKey
	case len(found) == 0:
		return nil, errWrongAlgorithm
	case len(found) > maxTried:
		return nil, errTooManyKeys
	}
	return found, nil
}

// same reports whether two keys are equal.
func (k verificationKey) same(other verificationKey) bool {
	public, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.key)
}
