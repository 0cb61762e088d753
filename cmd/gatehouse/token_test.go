package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// minted runs token and returns the claims of what it printed.
func minted(t *testing.T, args ...string) jwt.MapClaims {
	t.Helper()
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	r := gatehouse(t, environ, append([]string{"token", "--sub", "ada"}, args...)...)
	if r.code != 0 {
		t.Fatalf("%+v", r)
	}
	claims := jwt.MapClaims{}
	key := func(*jwt.Token) (any, error) { return []byte(testSecret), nil }
	if _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseWithClaims(strings.TrimSpace(r.stdout), claims, key); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestATokenSaysWhoAndForHowLong(t *testing.T) {
	for _, c := range []struct {
		args []string
		ttl  time.Duration
	}{{nil, time.Hour}, {[]string{"--ttl", "90s"}, 90 * time.Second}} {
		claims := minted(t, c.args...)
		issued, _ := claims.GetIssuedAt()
		expires, _ := claims.GetExpirationTime()
		if subject, _ := claims.GetSubject(); subject != "ada" || expires.Sub(issued.Time) != c.ttl {
			t.Errorf("%v: %v", c.args, claims)
		}
	}
}

func TestTokensForALoadTestsUsers(t *testing.T) {
	environ := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	r := gatehouse(t, environ, "token", "--sub", "user", "--count", "3")
	lines := strings.Fields(r.stdout)
	if r.code != 0 || len(lines) != 3 || lines[0] == lines[1] || lines[1] == lines[2] {
		t.Errorf("%+v", r)
	}
	for _, count := range []string{"0", "-1", "1000001"} {
		refused(t, gatehouse(t, environ, "token", "--sub", "user", "--count="+count), "--count", "1000000")
	}
}

func TestClaimsKeepTheTypeOfTheirJSON(t *testing.T) {
	for text, want := range map[string]string{
		`scope=orders read`:   `"orders read"`,
		`n=9007199254740993`:  `9007199254740993`,
		`admin=true`:          `true`,
		`rooms=["a","b;c,d"]`: `["a","b;c,d"]`,
		`o={"k":1}`:           `{"k":1}`,
		`quoted="text"`:       `"\"text\""`,
		`nothing=null`:        `"null"`,
		`empty=`:              `""`,
		`equal=a=b`:           `"a=b"`,
		`two=1 2`:             `"1 2"`,
		`list=a,b;c`:          `"a,b;c"`,
	} {
		name, _, _ := strings.Cut(text, "=")
		got, err := json.Marshal(minted(t, "--claim", text)[name])
		if err != nil || string(got) != want {
			t.Errorf("--claim %s: %s %v, want %s", text, got, err, want)
		}
	}
	if both := minted(t, "--claim", "a=1", "--claim", "b=2"); both["a"] != json.Number("1") || both["b"] != json.Number("2") {
		t.Errorf("two claims: %v", both)
	}
}

func TestTokensThatCannotBeMadeAreRefused(t *testing.T) {
	secret := []string{"GATEHOUSE_JWT_HMAC_SECRET=" + testSecret}
	refused(t, gatehouse(t, secret, "token", "--sub", ""), "subject")
	refused(t, gatehouse(t, secret, "token", "--sub", "ada", "--ttl", "0s"), "too short")
	refused(t, gatehouse(t, secret, "token", "--sub", "ada", "--ttl=-1h"), "too short")
	refused(t, gatehouse(t, secret, "token", "--sub", "ada", "--claim", "x"), "NAME=VALUE")
	refused(t, gatehouse(t, secret, "token", "--sub", "ada", "--claim", "exp=1"), "exp", "--ttl")
	refused(t, gatehouse(t, nil, "token", "--sub", "ada"), "jwt.hmac_secret", "--dev")
}
