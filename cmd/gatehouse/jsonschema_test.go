package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// fits checks a value of a file by the used part of JSON Schema, and returns what
// does not fit.
func fits(s map[string]any, v any, at string) error {
	if any1, ok := s["anyOf"].([]any); ok {
		var err error
		for _, one := range any1 {
			if err = fits(one.(map[string]any), v, at); err == nil {
				return nil
			}
		}
		return err
	}
	types, _ := s["type"].([]any)
	if one, ok := s["type"].(string); ok {
		types = []any{one}
	}
	number := typeOf(v) == "integer" && slices.Contains(types, any("number"))
	if !number && !slices.Contains(types, any(typeOf(v))) {
		return fmt.Errorf("%s: %v is not %v", at, v, types)
	}
	switch v := v.(type) {
	case string:
		if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			return fmt.Errorf("%s: %q does not match %s", at, v, pattern)
		}
		if words, ok := s["enum"].([]any); ok && !slices.Contains(words, any(v)) {
			return fmt.Errorf("%s: %q is none of %v", at, v, words)
		}
	case []any:
		for i, item := range v {
			if err := fits(s["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, value := range v {
			part, known := properties[name].(map[string]any)
			if !known {
				if part, known = s["additionalProperties"].(map[string]any); !known {
					return fmt.Errorf("%s.%s is unknown", at, name)
				}
			}
			if value == nil {
				continue
			}
			if err := fits(part, value, at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func schemaAndValue(t *testing.T, text string) (map[string]any, map[string]any) {
	t.Helper()
	var s, v map[string]any
	r := gatehouse(t, nil, "config", "schema")
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || r.code != 0 {
		t.Fatalf("%v in %+v", err, r)
	}
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s, v
}

func TestTheSchemaKnowsWhatIsPrinted(t *testing.T) {
	s, v := schemaAndValue(t, gatehouse(t, nil, "config", "print", "--config", configured(t, routed)).stdout)
	if err := fits(s, v, ""); err != nil {
		t.Error(err)
	}
}

var yamlBlocks = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheSchemaTakesWhatThePagesShow(t *testing.T) {
	tried := 0
	for _, page := range []string{"configuration.md", "authentication.md", "routing.md", "operating.md", "cluster.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlocks.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(gatehouse(t, nil, "config", "print", "--config", configured(t, block[1])).stdout, "addr:") && !strings.Contains(block[1], "addr:") {
				continue // not a configuration
			}
			s, v := schemaAndValue(t, block[1])
			if err := fits(s, v, page); err != nil {
				t.Error(err)
			}
			tried++
		}
	}
	if tried < 5 {
		t.Errorf("only %d blocks were tried", tried)
	}
}

func TestTheSchemaRefusesWhatTheProgramRefuses(t *testing.T) {
	for _, text := range []string{
		"adr: x", "engine: {ping_interval: 25}", "engine: {ping_interval: soon}", "log: {level: loud}",
		"namespaces: {/app: {admitt: x}}", "issuers: [{isuer: x}]", "engine: [1]", "admin: {addr_file: x}",
	} {
		s, v := schemaAndValue(t, text)
		if err := fits(s, v, ""); err == nil {
			t.Errorf("%s fits", text)
		}
	}
	for _, text := range []string{"admin: {key_file: x}", "engine: {max_payload: 1KiB}", "limits: {user_events: 20/s}", "jwt: {hmac_secret_file: x}"} {
		s, v := schemaAndValue(t, text)
		if err := fits(s, v, ""); err != nil {
			t.Error(err)
		}
	}
}
