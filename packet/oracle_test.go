package packet_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The oracle is Node's parser. With TEST_ORACLE=1 it is asked, and must be there and give the recorded answers; with
// TEST_ORACLE=record its answers are recorded anew. Otherwise it is asked when it is installed (npm ci in
// testdata/oracle), and the recorded answers are used when it is not.
const (
	oracleDir = "testdata/oracle"
	oracleEnv = "TEST_ORACLE"
)

// question is one line of input for oracle.js: frames to decode or a packet to encode.
type question struct {
	Name          string          `json:"name"`
	Frames        []any           `json:"frames,omitempty"`
	Packet        json.RawMessage `json:"packet,omitempty"`
	Msgpack       any             `json:"msgpack,omitempty"`
	MsgpackPacket json.RawMessage `json:"msgpackPacket,omitempty"`
}

// answer is Node's answer to a question: packets and perhaps an error, or frames.
type answer struct {
	Name    string       `json:"name"`
	Packets []nodePacket `json:"packets,omitempty"`
	Error   string       `json:"error,omitempty"`
	Frames  []any        `json:"frames,omitempty"`
}

type nodePacket struct {
	Type      int      `json:"type"`
	Namespace string   `json:"nsp"`
	ID        *float64 `json:"id,omitempty"`
	Data      any      `json:"data,omitempty"`
}

// binary is how the oracle writes bytes.
func binary(b []byte) map[string]any { return map[string]any{"$binary": b} }

// consult returns Node's answers by the names of the questions.
func consult(t *testing.T, golden string, questions []question) map[string]answer {
	t.Helper()
	golden = filepath.Join(oracleDir, golden)
	mode := os.Getenv(oracleEnv)
	_, missing := os.Stat(filepath.Join(oracleDir, "node_modules", "socket.io-parser"))
	node, noNode := exec.LookPath("node")
	if mode == "" && (missing != nil || noNode != nil) {
		return parseAnswers(t, readFile(t, golden), questions)
	}
	answers := ask(t, node, questions)
	if mode == "record" {
		if err := os.WriteFile(golden, answers, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(answers, readFile(t, golden)) {
		t.Errorf("%s is not what Node says today: look at it, then record it with %s=record", golden, oracleEnv)
	}
	return parseAnswers(t, answers, questions)
}

// ask runs the oracle.
func ask(t *testing.T, node string, questions []question) []byte {
	t.Helper()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "oracle.js")
	cmd.Dir, cmd.Stdin, cmd.Stderr = oracleDir, &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the oracle (npm ci in %s installs what it needs): %v", oracleDir, err)
	}
	return out
}

// parseAnswers checks that every question has its answer.
func parseAnswers(t *testing.T, lines []byte, questions []question) map[string]answer {
	t.Helper()
	answers := map[string]answer{}
	for scanner := bufio.NewScanner(bytes.NewReader(lines)); scanner.Scan(); {
		var a answer
		if err := json.Unmarshal(scanner.Bytes(), &a); err != nil {
			t.Fatalf("answer of the oracle: %v", err)
		}
		answers[a.Name] = a
	}
	for _, q := range questions {
		if _, ok := answers[q.Name]; !ok || len(answers) != len(questions) {
			t.Fatalf("%d answers to %d questions, %q: %t; record with %s=record",
				len(answers), len(questions), q.Name, ok, oracleEnv)
		}
	}
	return answers
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
