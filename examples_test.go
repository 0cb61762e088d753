package gatehouse_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"gatehouse/handshake"
)

// The gate accepts the requests that the README describes to back ends.
func TestTheMintingExampleMakesATokenThatTheGateAccepts(t *testing.T) {
	const secret = "a secret for tests only, longer than thirty-two bytes"
	mint := exec.CommandContext(t.Context(), "go", "run", "./examples/mint")
	mint.Env = append(os.Environ(), "GATEHOUSE_JWT_HMAC_SECRET="+secret)
	token, err := mint.Output()
	if err != nil {
		t.Fatal(err)
	}
	gate, err := handshake.NewGate(handshake.GateConfig{JWT: handshake.JWTConfig{HMACSecret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	auth, err := json.Marshal(map[string]string{"token": string(bytes.TrimSpace(token))})
	if err != nil {
		t.Fatal(err)
	}
	id, err := gate.Check(t.Context(), &handshake.Request{Namespace: "/chat", Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "u-17" || id.Name != "Ada" {
		t.Errorf("the token names %q, %q", id.Subject, id.Name)
	}
}
