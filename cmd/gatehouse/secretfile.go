package main

import (
	"fmt"
	"os"
	"strings"
)

// fileSuffix, appended to a secret's key, makes the key that names a file with the
// secret, as containers get secrets: admin.key_file, GATEHOUSE_ADMIN_KEY_FILE.
const fileSuffix = "_file"

// secretOfFile returns the secret whose file a key names. It does not count keys of
// that form that have a meaning of their own, such as jwt.hmac_secret_file.
func secretOfFile(all []field, key string) (field, bool) {
	secret, ok := strings.CutSuffix(key, fileSuffix)
	var found field
	for _, f := range all {
		if f.key == key {
			return field{}, false
		}
		if f.key == secret && f.typ == secretType {
			found = f
		}
	}
	return found, ok && found.key != ""
}

// readFile reads the secret from the file that v names; a last line break is not
// part of it. other is what the secret's own key has in the same source.
func (f field) readFile(v, other any) (any, error) {
	path, ok := v.(string)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s%s: is not the name of a file", f.key, fileSuffix)
	case other != nil:
		return nil, fmt.Errorf("%s%s: %s is set beside it; leave one of them out", f.key, fileSuffix, f.key)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", f.key, fileSuffix, err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return nil, fmt.Errorf("%s%s: %s is empty", f.key, fileSuffix, path)
	}
	return secret, nil
}
