package handshake

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// verificationKey is a key with the one algorithm that it is for. The token's
// own alg is compared with it and decides nothing (RFC 8725, section 3.1).
type verificationKey struct {
	method jwt.SigningMethod
	key    any   // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	macs   *macs // of a []byte; nil for the others
}

// sharedSecret is the key of an HMAC.
func sharedSecret(method jwt.SigningMethod, secret []byte) verificationKey {
	return verificationKey{method, secret, newMACs(method, secret)}
}

// verify returns nil for a signature by the key over the signed text.
func (k verificationKey) verify(signed string, signature []byte) error {
	if k.macs != nil {
		return k.macs.verify(signed, signature)
	}
	return k.method.Verify(signed, signature, k.key)
}

// keySource finds the keys for a token's kid and alg. Both only select among
// known keys.
type keySource interface {
	// It returns at least one key, or an error.
	find(ctx context.Context, kid, alg string) ([]verificationKey, error)
}

// fixedKeys are configured keys, which serve any kid.
type fixedKeys []verificationKey

func (k fixedKeys) find(_ context.Context, _, alg string) ([]verificationKey, error) {
	if len(k) == 1 && k[0].method.Alg() == alg {
		return k, nil
	}
	var found []verificationKey
	for _, key := range k {
		if key.method.Alg() == alg {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		return nil, errWrongAlgorithm
	}
	return found, nil
}

var (
	errWrongAlgorithm = errors.New("the token's alg is not the key's algorithm")
	errUnknownKey     = errors.New("no key with the token's kid")
	errTooManyKeys    = errors.New("the token names no kid, and too many keys are for its alg")
)

// hmacBytes is how long a secret must be for each algorithm: as long as the
// hash (RFC 7518, section 3.2).
func hmacBytes(algorithm string) (int, bool) {
	switch algorithm {
	case "HS256":
		return 32, true
	case "HS384":
		return 48, true
	case "HS512":
		return 64, true
	}
	return 0, false
}

// hmacSecret reads the configured secret and the algorithm that it is for.
func (c JWTConfig) hmacSecret(at string) ([]byte, jwt.SigningMethod, error) {
	key, secret := at+".hmac_secret", []byte(c.HMACSecret.Reveal())
	if c.HMACSecretFile != "" {
		key = at + ".hmac_secret_file"
		read, err := os.ReadFile(c.HMACSecretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", key, err)
		}
		secret = bytes.TrimRight(read, "\r\n")
	}
	method, err := c.checkSecret(at, key, secret)
	if err != nil {
		return nil, nil, err
	}
	return secret, method, nil
}

// checkSecret refuses a secret that is too short or a public key, and returns the
// algorithm that it is for. key names its setting.
func (c JWTConfig) checkSecret(at, key string, secret []byte) (jwt.SigningMethod, error) {
	algorithm := cmp.Or(c.Algorithm, "HS256")
	least, ok := hmacBytes(algorithm)
	if !ok {
		return nil, fmt.Errorf("%s.algorithm: %q does not fit %s; use HS256, HS384 or HS512, or configure public_key_file", at, algorithm, key)
	}
	if isPublicKey(secret) {
		return nil, fmt.Errorf("%s: holds a public or private key, which is no shared secret; put it into a file named by %s.public_key_file", key, at)
	}
	if len(secret) < least {
		return nil, fmt.Errorf("%s: %d bytes, %s needs at least %d; make one with \"openssl rand -base64 %d\"", key, len(secret), algorithm, least, least*3/2)
	}
	return jwt.GetSigningMethod(algorithm), nil
}

// isPublicKey recognises key material where a secret belongs. Verifying HS*
// with a public key would let everybody sign.
func isPublicKey(secret []byte) bool {
	text := strings.TrimSpace(string(secret))
	if strings.Contains(text, "-----BEGIN") || strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-sha2-") {
		return true
	}
	der := secret
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
		der = decoded
	}
	if _, err := x509.ParsePKIXPublicKey(der); err == nil {
		return true
	}
	_, err := x509.ParsePKCS1PublicKey(der)
	return err == nil
}

// checkPair refuses a public and a private key that do not belong together:
// tokens signed with one would never be accepted by the other.
func (c JWTConfig) checkPair(at string, public crypto.PublicKey) error {
	if c.PublicKeyFile == "" || c.PrivateKeyFile == "" {
		return nil
	}
	signer, err := c.privateKey(at)
	if errors.As(err, new(*fs.PathError)) {
		return nil // only minting needs it, perhaps on another machine
	}
	if err != nil {
		return err
	}
	if own, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(public) {
		return fmt.Errorf("%s.private_key_file: is not the private half of %s.public_key_file; leave the public one out, and it is taken from the private one", at, at)
	}
	return nil
}

// publicKeys reads the configured public keys, or takes the public half of the
// private one.
func (c JWTConfig) publicKeys(at string) ([]crypto.PublicKey, error) {
	if c.PublicKeyFile == "" {
		signer, err := c.privateKey(at)
		if err != nil {
			return nil, err
		}
		return []crypto.PublicKey{signer.Public()}, nil
	}
	key := at + ".public_key_file"
	blocks, err := readPEM(key, c.PublicKeyFile)
	if err != nil {
		return nil, err
	}
	if len(blocks) > maxTried {
		return nil, fmt.Errorf("%s: %s holds %d keys; at most %d are tried", key, c.PublicKeyFile, len(blocks), maxTried)
	}
	keys := make([]crypto.PublicKey, len(blocks))
	for i, block := range blocks {
		if keys[i], err = c.parsePublic(key, block); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (c JWTConfig) parsePublic(key string, block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return parsed(key, c.PublicKeyFile, x509.ParsePKIXPublicKey, block.Bytes)
	case "RSA PUBLIC KEY":
		return parsed(key, c.PublicKeyFile, x509.ParsePKCS1PublicKey, block.Bytes)
	case "CERTIFICATE":
		certificate, err := parsed(key, c.PublicKeyFile, x509.ParseCertificate, block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("%s: %s holds a %q; it must hold public keys in PEM", key, c.PublicKeyFile, block.Type)
}

func (c JWTConfig) privateKey(at string) (crypto.Signer, error) {
	key := at + ".private_key_file"
	blocks, err := readPEM(key, c.PrivateKeyFile)
	if err != nil {
		return nil, err
	}
	if len(blocks) > 1 {
		return nil, fmt.Errorf("%s: %s holds %d blocks; it must hold one private key", key, c.PrivateKeyFile, len(blocks))
	}
	block := blocks[0]
	switch block.Type {
	case "PRIVATE KEY":
		key8, err := parsed(key, c.PrivateKeyFile, x509.ParsePKCS8PrivateKey, block.Bytes)
		if err != nil {
			return nil, err
		}
		if signer, ok := key8.(crypto.Signer); ok {
			return signer, nil
		}
	case "RSA PRIVATE KEY":
		return parsed(key, c.PrivateKeyFile, x509.ParsePKCS1PrivateKey, block.Bytes)
	case "EC PRIVATE KEY":
		return parsed(key, c.PrivateKeyFile, x509.ParseECPrivateKey, block.Bytes)
	}
	return nil, fmt.Errorf("%s: %s holds a %q; it must hold an unencrypted private key in PEM", key, c.PrivateKeyFile, block.Type)
}

// readPEM returns the blocks of a file but EC PARAMETERS, which openssl writes
// before an EC key. There is at least one.
func readPEM(key, file string) ([]*pem.Block, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	var blocks []*pem.Block
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "EC PARAMETERS" {
			blocks = append(blocks, block)
		}
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s: %s holds no PEM; it must begin with -----BEGIN", key, file)
	}
	return blocks, nil
}

func parsed[K any](key, file string, parse func([]byte) (K, error), der []byte) (K, error) {
	k, err := parse(der)
	if err != nil {
		return k, fmt.Errorf("%s: %s cannot be read as a key: %w", key, file, err)
	}
	return k, nil
}

// methodFor returns the signing method for a public key: the named one when
// the key can do it, else the key's usual one.
func methodFor(public crypto.PublicKey, algorithm string) (jwt.SigningMethod, error) {
	possible, err := algorithmsOf(public)
	if err != nil {
		return nil, err
	}
	if algorithm == "" {
		return jwt.GetSigningMethod(possible[0]), nil
	}
	for _, one := range possible {
		if one == algorithm {
			return jwt.GetSigningMethod(one), nil
		}
	}
	return nil, fmt.Errorf("%q does not fit the key, which can do %s", algorithm, strings.Join(possible, ", "))
}

const minRSABits = 2048

// algorithmsOf lists what a public key can verify, its usual algorithm first.
func algorithmsOf(public crypto.PublicKey) ([]string, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits; at least %d are needed", key.N.BitLen(), minRSABits)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}, nil
		case 384:
			return []string{"ES384"}, nil
		case 521:
			return []string{"ES512"}, nil
		}
		return nil, fmt.Errorf("the curve %s is not supported; use P-256, P-384 or P-521", key.Curve.Params().Name)
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, fmt.Errorf("a key of type %T is not supported; use RSA, EC or Ed25519", public)
}
