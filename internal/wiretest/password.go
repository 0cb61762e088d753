package wiretest

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// PasswordHash returns the hash of a password for a configuration. It is one of the cheapest that the server takes, because
// under the race detector the usual ones take a second each.
func PasswordHash(password string) string {
	const memory = 8 << 10 // KiB
	salt, b := []byte("salt for a test "), base64.RawStdEncoding
	sum := argon2.IDKey([]byte(password), salt, 1, memory, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=1$%s$%s", memory, b.EncodeToString(salt), b.EncodeToString(sum))
}
