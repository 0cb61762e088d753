package pattern_test

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/internal/pattern"
)

func TestPartsOfANameAreFound(t *testing.T) {
	for _, c := range []struct{ pattern, name, want string }{
		{"/tenant-{org}", "/tenant-acme", "map[org:acme]"},
		{"/tenant-{org}", "/tenant-", "no"},
		{"/tenant-{org}", "/tenant-a/b", "no"},
		{"/tenant-{org}", "/tenant-a\n", "map[org:a\n]"},
		{"/tenant-{org}", "/x/tenant-a", "no"},
		{"/a.b/{x}", "/a.b/1", "map[x:1]"},
		{"/a.b/{x}", "/aXb/1", "no"},
		{"/{org}/chat/{room}", "/acme/chat/7", "map[org:acme room:7]"},
		{"/doc:{org}:{id}", "/doc:a:b:c", "map[id:c org:a:b]"},
	} {
		p, err := pattern.Compile(c.pattern)
		if err != nil {
			t.Fatalf("%s: %v", c.pattern, err)
		}
		got := "no"
		if parts, ok := p.Match(c.name); ok {
			got = fmt.Sprint(parts)
		}
		if got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.pattern, c.name, got, c.want)
		}
	}
}

func TestPatternsThatCannotBeMeantAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"/{x}": "takes every name", "/{a}/{b}": "takes every name", "/a{x}{y}": "nothing between", "/plain": "no part",
		"a-{x}": "slash", "/a-{": "not closed", "/a-}": "not opened", "/a-{}": "name of a part", "/a-{x y}": "name of a part",
		"/a-{x}-{x}": "twice", "": "slash",
	} {
		if _, err := pattern.Compile(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
